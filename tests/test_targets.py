"""Targets that need something of the machine: what is said where it is not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import open_descriptors

from ebpf_overhead import _workload, targets
from ebpf_overhead.cases import TARGETS
from ebpf_overhead.errors import UnsupportedError

ROOT = Path(__file__).resolve().parent.parent

REQUIRE = """
import resource, sys
from ebpf_overhead import targets
from ebpf_overhead.cases import TARGETS
from ebpf_overhead.errors import UnsupportedError

if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    targets.require(TARGETS[sys.argv[1]])
except UnsupportedError as error:
    print(error)
"""


def require_elsewhere(target: str, mode: str, *prefix: str) -> str:
    """What `require` says in another process."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", REQUIRE, target, mode],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_every_target_of_the_catalogue_can_be_called(target):
    targets.require(target)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("getpid", ""),
        ("read", "read cannot be called: openat /dev/zero: Too many open files; "),
        ("openat_close", "openat_close cannot be called: openat and close: Too many open files; "),
        ("sendto", "sendto cannot be called: socket: Too many open files; "),
    ],
)
def test_what_failed_is_named(target, said):
    text = require_elsewhere(target, "full")
    assert text.startswith(said)
    assert bool(text) == bool(said)


def test_without_a_loopback_interface_the_remedy_is_told():
    try:
        text = require_elsewhere("sendto", "empty", "unshare", "--map-root-user", "--net")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace here: {error}")
    assert text == (
        "sendto cannot be called: sendmsg to 127.0.0.1: Network is unreachable;"
        " bring the loopback interface up: ip link set lo up\n"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_prepared_is_given_back(target):
    before = open_descriptors()
    _workload.run(target, 10, windows=50)
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


def test_other_errors_are_told_with_a_remedy(monkeypatch):
    def refuse(target, calls):
        raise OSError(errno.EPERM, "getpid: Operation not permitted")

    monkeypatch.setattr(targets._workload, "run", refuse)
    with pytest.raises(UnsupportedError, match=r"getpid cannot be called: getpid: .*; allow it"):
        targets.require(TARGETS["getpid"])
