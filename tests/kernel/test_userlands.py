"""What ``scripts/userlands`` runs in a user land, and that nothing of it is left.

The land is this system itself, in the place of one that mmdebstrap makes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import gate
import pytest
import script_modules
from processes import ROOT

# Two of them, one in a session of its own; the word is found in the list of processes.
SLEEPERS = "setsid sleep {0} & sleep {0}"


@pytest.fixture
def cell():
    if os.geteuid() != 0:
        gate.cannot_run("only root may mount")
    script = script_modules.load("userlands")
    # Not on the file system of the land: the kernel forbids that.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = Path(name)
        with script.Cell(Path("/"), place / "cell", ROOT, place / "log", limit_s=60) as cell:
            yield cell
        assert name not in Path("/proc/self/mounts").read_text()
        assert [each.name for each in place.iterdir()] == ["log"]


def running(seconds: str) -> bool:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return f"sleep {seconds}" in found.stdout.splitlines()


def test_a_cell_is_a_land_of_its_own(cell):
    assert cell.said("pwd; id -un", "daemon").split() == ["/", "daemon"]
    assert cell.run("test -e /mnt/Makefile && test -e /sys/kernel/tracing/events") == 0
    assert cell.run("touch /only-in-the-cell") == 0
    assert not Path("/only-in-the-cell").exists()
    assert cell.run("test -e /only-in-the-cell && exit 7") == 7


def test_what_a_command_leaves_running_is_ended(cell):
    seconds = f"1000.{os.getpid()}"
    assert cell.run(f"{SLEEPERS.format(seconds)} & sleep 0") == 0
    assert not running(seconds)


def test_ctrl_c_ends_all(cell):
    seconds = f"2000.{os.getpid()}"

    def interrupt() -> None:
        while not running(seconds):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        cell.run(SLEEPERS.format(seconds))
    interrupting.join()
    assert not running(seconds)
