"""``scripts/writable``: what an earlier run left to another user is said in a line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ROOT

NOBODY = 65534


@pytest.fixture
def clone() -> Iterator[Path]:
    """A tree that everybody may look into; pytest's own folders are for their owner."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/writable", folder / "scripts")
        (folder / ".asv/results").mkdir(parents=True)
        yield folder


def run(clone: Path, **settings: int) -> subprocess.CompletedProcess[str]:
    script = clone / "scripts/writable"
    return subprocess.run([script], cwd="/", capture_output=True, text=True, **settings)


def test_own_tree_passes_without_a_word(clone):
    done = run(clone)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_another_user_made_is_one_line_with_what_to_do(clone):
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    (clone / ".asv").chmod(0o755)
    done = run(clone, user=NOBODY)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "make: .asv is root's, who ran make before; make it yours: sudo chown -R"
    )
    assert line.endswith(str(clone))
