"""The loops compile for arm64, where there is a compiler for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMPILER = "aarch64-linux-gnu-gcc"


def without_python() -> list[Path]:
    """Sources that need no header of Python, which is another machine's."""
    sources = sorted((ROOT / "ebpf_overhead" / "workload").glob("_workload*.c"))
    return [
        source
        for source in sources
        if not any(
            each.exists() and "Python.h" in each.read_text()
            for each in (source, source.with_suffix(".h"))
        )
    ]


@pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no {COMPILER}: apt install gcc-aarch64-linux-gnu"
)
def test_every_loop_compiles_for_arm64(tmp_path):
    sources = without_python()
    assert len(sources) >= 10
    options = ["-c", "-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    run = subprocess.run(
        [COMPILER, *options, "-Wno-missing-field-initializers", *map(str, sources)],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (run.returncode, run.stderr) == (0, "")
