"""How guests come up and go: boots that fail, panics, and what happens when we are killed."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from guest_support import gone

from ebpf_overhead.errors import BadUseError, FailedError, UnsupportedError
from ebpf_overhead.guest import waiting
from ebpf_overhead.guest.errors import GuestBootError, GuestLostError
from ebpf_overhead.guest.vm import Guest

# The promise: no QEMU is left 3 s after its parent's end.
GONE_S = 3.0
# Nothing else gets the guest's one processor any more.
HANG = "echo -1 > /proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done'"


@pytest.fixture
def short_path():
    """A directory of the test's own whose name is short enough for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="eo-") as name:
        yield Path(name)


@pytest.fixture
def own_temporary(short_path, monkeypatch):
    """A directory of the test's own for run directories."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    return short_path


def run_directories(place):
    return list(place.glob("ebpf-overhead-guest-*"))


def test_stop_leaves_no_process_and_no_file(kernel, own_temporary):
    with Guest(kernel) as guest:
        pid = guest.pid
        assert len(run_directories(own_temporary)) == 1
    assert gone(pid, 1)
    assert run_directories(own_temporary) == []
    guest.stop()  # Again.
    with pytest.raises(BadUseError):
        guest.run(["true"])


def test_panic_and_hang_are_told_and_the_next_start_recovers(kernel, monkeypatch):
    with Guest(kernel) as guest:
        pid = guest.pid
        with pytest.raises(GuestLostError, match="Kernel panic") as caught:
            guest.run(["sh", "-c", "echo c > /proc/sysrq-trigger"])
        assert "sysrq" in caught.value.log
        assert not guest.alive
        assert gone(pid, 1)
        guest.start()
        assert guest.run(["echo", "again"]).stdout == "again\n"
        monkeypatch.setattr(waiting, "SILENT_S", 1.0)
        monkeypatch.setattr(waiting, "BUSY_GRACE_S", 2.0)
        with pytest.raises(GuestLostError, match="did not give a sign of life within"):
            guest.run(["sh", "-c", HANG])
        assert not guest.alive


def test_life_port_alone_ends_the_guest(kernel):
    # Without the kernel's death signal: as if the parent were gone and QEMU had not noticed.
    with Guest(kernel) as guest:
        guest._launch.life.close()
        assert gone(guest.pid, GONE_S)


def test_truncated_image(kernel, tmp_path, own_temporary):
    image = tmp_path / "vmlinuz"
    image.write_bytes(kernel.image.read_bytes()[:3_000_000])
    with pytest.raises(GuestBootError, match="truncated"):
        Guest(dataclasses.replace(kernel, image=image)).start()
    assert run_directories(own_temporary) == []


def test_damaged_image(kernel, tmp_path, own_temporary):
    content = bytearray(kernel.image.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    image = tmp_path / "vmlinuz"
    image.write_bytes(content)
    guest = Guest(dataclasses.replace(kernel, image=image), boot_timeout_s=5)
    with pytest.raises(GuestBootError):
        guest.start()
    assert run_directories(own_temporary) == []


def test_boot_that_hangs_is_bounded_and_shows_its_log(kernel):
    lines = []
    guest = Guest(kernel, preload=("signal:pause",), boot_timeout_s=10, log=lines.append)
    with pytest.raises(GuestBootError, match="10 s") as caught:
        guest.start()
    assert guest.pid is None
    assert caught.value.log == lines[-1]
    assert re.search(r"^\[ *\d+\.\d+\]", caught.value.log, re.M)


def test_missing_image(kernel, tmp_path):
    with pytest.raises(GuestBootError, match="cannot be read"):
        Guest(dataclasses.replace(kernel, image=tmp_path / "absent")).start()
    with pytest.raises(UnsupportedError, match="no image"):
        Guest(dataclasses.replace(kernel, image=None)).start()


def test_failing_preload_is_named(kernel):
    with pytest.raises(FailedError, match="no_such_module cannot be preloaded"):
        Guest(kernel, preload=("no_such_module",)).start()


PARENT = """
import sys, threading, time
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels.catalogue import find

guest = Guest(find(sys.argv[1]))

def tell():
    while guest.pid is None:
        time.sleep(0.01)
    print(guest.pid, flush=True)

threading.Thread(target=tell, daemon=True).start()
with guest:
    print("ready", flush=True)
    guest.run(["sleep", "1000000"])
"""


@pytest.mark.parametrize(
    ("number", "ready"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False),
     (signal.SIGKILL, True)],
)  # fmt: skip
def test_no_qemu_outlives_its_parent(kernel, number, ready, short_path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, kernel.release],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(short_path)},
        cwd=Path(__file__).parents[2],
    ) as parent:
        pid = int(parent.stdout.readline())
        if ready:
            assert parent.stdout.readline() == "ready\n"
            # It waits for the guest then: a signal just before that would wait, too.
            time.sleep(0.5)
        assert Path(f"/proc/{pid}").exists()
        parent.send_signal(number)
        assert gone(pid, GONE_S)
    deadline_s = time.monotonic() + GONE_S
    while run_directories(short_path) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert run_directories(short_path) == []


def test_directory_of_a_killed_parent_is_removed_by_the_next(kernel, own_temporary):
    abandoned = own_temporary / "ebpf-overhead-guest-abandoned"
    abandoned.mkdir()
    (abandoned / "console.log").write_text("old")
    long_ago = time.time() - 3600
    os.utime(abandoned, (long_ago, long_ago))
    with pytest.raises(GuestBootError):
        Guest(dataclasses.replace(kernel, image=own_temporary / "absent")).start()
    assert not abandoned.exists()
