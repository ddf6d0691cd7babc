"""The example scripts do what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from processes import ROOT


@pytest.fixture
def run(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

    shutil.copytree(ROOT / "results", tmp_path / "clone/results")
    shutil.copy(ROOT / "asv.kernels.json", tmp_path / "clone")

    def run(name, *words):
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / name), *words],
            cwd=tmp_path / "clone",
            env={**os.environ, "EBPF_OVERHEAD_DATA": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_two_kernels_are_drawn(run, tmp_path):
    path = tmp_path / "two.svg"
    done = run("two_kernels.py", "6.12", "7.3", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    drawn = path.read_text()
    assert "Linux 6.12" in drawn
    assert "fentry" in drawn


def test_a_kernel_that_there_is_not_is_one_line(run, tmp_path):
    done = run("two_kernels.py", "6.13", "7.3", str(tmp_path / "two.svg"))
    assert done.returncode == 1
    assert "is called '6.13'" in done.stderr
    assert "Traceback" not in done.stderr
