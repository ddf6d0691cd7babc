"""The run directory goes with the process it belongs to, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ebpf_overhead.guest import rundir
from ebpf_overhead.guest.rundir import PREFIX, RunDirectory


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_removed_directory_is_gone_and_may_be_removed_again(place):
    directory = RunDirectory()
    (directory.path / "file").touch()
    directory.remove()
    directory.remove()
    assert list(place.iterdir()) == []
    assert directory._remover._shell.returncode == 0


OWNER = """
import sys, time
from ebpf_overhead.guest.rundir import RunDirectory
directory = RunDirectory()
(directory.path / "share").mkdir()
print(directory.path, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_directory_of_a_killed_process_is_gone(tmp_path, number):
    # The whole group, as a terminal or a supervisor kills it.
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as owner:  # fmt: skip
        path = Path(owner.stdout.readline().strip())
        assert path.is_dir()
        os.killpg(owner.pid, number)
    deadline_s = time.monotonic() + 60
    while path.exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not path.exists()


@pytest.fixture
def old(place, monkeypatch):
    """Return a function that makes a directory look as if it were there for long."""
    # The path may be too long for the sockets of a guest.
    monkeypatch.setattr(rundir, "_parent", lambda: place)

    def old(path: Path) -> Path:
        long_ago_s = time.time() - 10 * rundir._GRACE_S
        os.utime(path, (long_ago_s, long_ago_s))
        return path

    return old


@pytest.fixture
def abandoned(place, old) -> Path:
    path = place / f"{PREFIX}abandoned"
    path.mkdir()
    return old(path)


def test_abandoned_directory_is_swept(abandoned):
    rundir.sweep()
    assert not abandoned.exists()


def test_abandoned_directory_of_a_clock_that_was_ahead_is_swept(abandoned):
    tomorrow_s = time.time() + 24 * 3600
    os.utime(abandoned, (tomorrow_s, tomorrow_s))
    rundir.sweep()
    assert not abandoned.exists()


def test_young_directory_is_not_swept(abandoned):
    os.utime(abandoned)
    rundir.sweep()
    assert abandoned.exists()


def test_directory_of_a_living_guest_is_not_swept(old):
    directory = RunDirectory()
    try:
        old(directory.path)
        rundir.sweep()
        assert directory.path.exists()
    finally:
        directory.remove()


def test_directory_of_another_user_is_not_swept(abandoned, monkeypatch):
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    rundir.sweep()
    assert abandoned.exists()


def test_no_run_directory_lies_in_another(place, monkeypatch):
    outer = RunDirectory()
    (outer.path / "share").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(outer.path / "share"))
    inner = RunDirectory()
    try:
        # A path too long for a socket goes to /tmp; else it is beside the other.
        assert outer.path not in inner.path.parents
        assert inner.path.name.startswith(PREFIX)
    finally:
        inner.remove()
        outer.remove()
