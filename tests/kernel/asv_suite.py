"""The suite, measured and published by asv itself, once for all tests that look at it.

The tree as it is, with what is not committed yet, becomes the first commit of a
repository in a temporary folder, so that the tree's own results stay as they are.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asv_projects import ROOT, Project

UNPROBED = "getpid.Unprobed.time_getpid"
PROBED = "getpid.Probed.time_getpid"
OVERHEAD = "getpid.Overhead.track_overhead"
MEASURED = (UNPROBED, PROBED, OVERHEAD)

INSTRUCTIONS = "getpid.Instructions.track_instructions"

# A process each says that nothing counts instructions here; one of them is enough.
ONE_COUNT = r"track_instructions\('tp_btf', 'empty'\)"


class Suite:
    """Two commits of the suite: the first with all results, the second with the baseline's.

    Attributes
    ----------
    project : Project
        Where asv worked.
    first, second : str
        Hashes of the commits.
    printed : dict of str to str
        What each command of asv printed, by its name.
    """

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder / "suite")
        self.printed: dict[str, str] = {}
        copy_tree(self.project.folder)
        self.first = self.project.commit("one")
        self.project.describe_machine()
        wanted = itertools.chain(*(("--bench", each) for each in (*MEASURED, ONE_COUNT)))
        self._asv("run", "--quick", "--show-stderr", *wanted, "HEAD^!")
        self.second = self.project.commit("two")
        self._asv("run", "--quick", "--bench", "getpid.Unprobed", "NEW", name="run NEW")
        self._asv("check")
        self._asv("show", self.first)
        self._asv("compare", self.first, self.first, name="compare same")
        self._asv("compare", self.first, self.second)
        # Its exit status says that the second commit is slower, which may be chance.
        self._asv(
            "continuous", "--quick", "--bench", "getpid.Unprobed", "HEAD~1", "HEAD", check=False
        )
        self.project.run(sys.executable, "-m", "ebpf_overhead.cli", "publish")
        self.site = self.project.folder / ".asv/html"

    def _asv(self, *arguments: str, name: str | None = None, check: bool = True) -> None:
        self.printed[name or arguments[0]] = self.project.asv(*arguments, check=check)


def copy_tree(folder: Path) -> None:
    """Copy what git has or would have of this tree, and the extensions built in it.

    asv's plugin needs them; asv itself builds its own from the commit.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    built = [str(path.relative_to(ROOT)) for path in (ROOT / "ebpf_overhead").rglob("*.so")]
    for name in filter(None, [*listed.stdout.split("\0"), *built]):
        if (ROOT / name).is_file():  # may be deleted and not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


_measured: Suite | BaseException | None = None


def measure(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Measure the suite, or say again what came of it: two modules ask for it."""
    global _measured
    if _measured is None:
        try:
            _measured = Suite(tmp_path_factory.mktemp("asv"))
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            _measured = error
    if isinstance(_measured, BaseException):
        raise _measured
    return _measured
