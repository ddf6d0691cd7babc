"""Workloads that need something of the machine: the error where it is missing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import open_descriptors

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.workload import _workload, workloads
from ebpf_overhead.workload.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[3]

REQUIRE = """
import resource, sys
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.workload import workloads
from ebpf_overhead.workload.workloads import WORKLOADS

if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    workloads.require(WORKLOADS[sys.argv[1]])
except UnsupportedError as error:
    print(error)
"""


def require_elsewhere(workload: str, mode: str, *prefix: str) -> str:
    """What `require` says in another process."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", REQUIRE, workload, mode],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=str)
def test_every_workload_can_be_called(workload):
    workloads.require(workload)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("getpid", ""),
        ("read", "read cannot be called: openat /dev/zero: Too many open files; "),
        ("openat_close", "openat_close cannot be called: openat and close: Too many open files; "),
        ("sendto", "sendto cannot be called: socket: Too many open files; "),
    ],
)
def test_failed_system_call_is_named(workload, said):
    text = require_elsewhere(workload, "full")
    assert text.startswith(said)
    assert bool(text) == bool(said)


def test_missing_loopback_interface_has_a_remedy():
    try:
        text = require_elsewhere("sendto", "empty", "unshare", "--map-root-user", "--net")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace here: {error}")
    assert text == (
        "sendto cannot be called: sendmsg to 127.0.0.1: Network is unreachable;"
        " bring the loopback interface up: ip link set lo up\n"
    )


@pytest.mark.parametrize("workload", WORKLOADS)
def test_prepared_descriptors_are_released(workload):
    _workload.run(workload, 1)  # network namespaces stay as long as the process
    before = open_descriptors()
    _workload.run(workload, 10, windows=50)
    assert open_descriptors() == before


def test_no_packet_is_queued_or_read():
    """Every packet is dropped at the full buffer of the socket that sent it."""

    def counters():
        lines = Path("/proc/net/snmp").read_text().splitlines()
        names, values = (line.split()[1:] for line in lines if line.startswith("Udp:"))
        return dict(zip(names, map(int, values), strict=True))

    before = counters()
    _workload.run("sendto", 5_000)
    after = counters()
    dropped = after["RcvbufErrors"] - before["RcvbufErrors"]
    assert dropped >= 5_000
    assert after["OutDatagrams"] - before["OutDatagrams"] >= dropped


def devices() -> list[str]:
    return [
        line.split(":")[0] for line in Path("/proc/thread-self/net/dev").read_text().split("\n")
    ]


@pytest.mark.parametrize("workload", ["packet", "packet_veth"])
def test_packets_pass_a_network_of_their_own(workload):
    network = Path("/proc/thread-self/ns/net")
    own, before = network.readlink(), devices()
    _workload.run(workload, 100)
    assert network.readlink() == own, "the caller stays where it was"
    assert devices() == before
    there = Path(f"/proc/self/fd/{_workload.packet_network()}").readlink()
    assert str(there).startswith("net:")
    assert there != own


def test_network_that_cannot_be_made_is_named():
    text = require_elsewhere("packet", "", "setpriv", "--bounding-set=-sys_admin")
    assert text == (
        "packet cannot be called: unshare CLONE_NEWNET: Operation not permitted; run as root, or"
        " with CAP_SYS_ADMIN and CAP_NET_ADMIN: packets pass a network namespace of ours\n"
    )


def test_other_errors_have_a_remedy(monkeypatch):
    def refuse(workload, calls):
        raise OSError(errno.EPERM, "getpid: Operation not permitted")

    monkeypatch.setattr(workloads._workload, "run", refuse)
    with pytest.raises(UnsupportedError, match=r"getpid cannot be called: getpid: .*; allow it"):
        workloads.require(WORKLOADS["getpid"])


def tasks() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_task_is_left_and_the_caller_is_as_before(workload):
    comm = Path("/proc/thread-self/comm").read_text()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = tasks()
    _workload.run(workload, 3, windows=2)
    assert tasks() == before
    assert Path("/proc/thread-self/comm").read_text() == comm
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_name_of_tasks_is_this_process_s_own():
    code = "from ebpf_overhead.workload import _workload; print(_workload.TASK_NAME)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(_workload.TASK_NAME) == len(other.stdout.strip()) == 15
    assert other.stdout.strip() != _workload.TASK_NAME


def test_what_a_call_passes():
    fork, ping_pong = WORKLOADS["fork_wait"], WORKLOADS["pipe_pingpong"]
    assert (fork.entries(False), fork.exits(False)) == (1, 2)
    assert fork.entries(True) == fork.exits(True) == 3
    assert (ping_pong.entries(False), ping_pong.entries(True)) == (2, 4)
    assert fork.passed["kernel_clone"] == 1
    assert fork.passed["sched:sched_switch"] is None
    assert ping_pong.passed["sched:sched_switch"] == 2
    assert WORKLOADS["getpid"].passed == WORKLOADS["function"].passed == {}
    assert WORKLOADS["function"].entries(True) == 1
    assert WORKLOADS["packet"].entries(True) == 2
    assert WORKLOADS["packet"].entries(False) == 1


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=str)
def test_workload_of_system_calls_makes_the_one_that_it_is_probed_by(workload):
    if workload.syscall is not None:
        assert workload.times[workload.syscall] >= 1
        assert workload.entries(True) == sum(workload.times.values())
