"""A fresh clone of this repository: no kernel is here, no machine is known, nothing is fetched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT


class Clone:
    """What is committed, with the extension modules that setting up would build."""

    def __init__(self, folder: Path) -> None:
        if not (ROOT / ".git").exists():
            pytest.skip("no git repository: nothing can be cloned")
        self.folder = folder / "clone"
        self.home = folder / "home"
        self.home.mkdir()
        self.run("git", "clone", "--quiet", str(ROOT), str(self.folder), cwd=folder)
        for built in (ROOT / "ebpf_overhead").rglob("*.so"):
            shutil.copy(built, self.folder / built.relative_to(ROOT))

    def run(
        self, *command: str, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "EBPF_OVERHEAD_DATA": str(self.home / "data"),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def asv(
        self, command: str, *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        words = (sys.executable, "-m", "asv", command, "--config", "asv.kernels.json", *arguments)
        return self.run(*words, check=check)
