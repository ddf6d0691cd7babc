"""Places as users and other tools name them."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.estimate import places
from ebpf_overhead.estimate.places import Place, places_of
from ebpf_overhead.tracers.hooks import Point


@pytest.fixture(autouse=True)
def names(monkeypatch):
    monkeypatch.setattr(places, "is_syscall", lambda name: name in {"read", "openat"})
    monkeypatch.setattr(places, "user_offset", lambda name: ("/lib/x.so", 16))
    monkeypatch.setattr(places, "matching_functions", lambda pattern, at_most: ["tcp_a", "tcp_b"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vfs_read", Place("function", "vfs_read")),
        ("function:vfs_read", Place("function", "vfs_read")),
        ("kprobe:vfs_read", Place("function", "vfs_read", "kprobe")),
        ("kfunc:vfs_read", Place("function", "vfs_read", "fentry")),
        ("kprobe/vfs_read", Place("function", "vfs_read", "kprobe")),
        ("syscall:read", Place("syscall", "read")),
        ("tracepoint:sched:sched_switch", Place("tracepoint", "sched:sched_switch", "tracepoint")),
        ("tp/sched/sched_switch", Place("tracepoint", "sched:sched_switch", "tracepoint")),
        ("raw_tp/sched_switch", Place("tracepoint", "sched_switch", "raw_tracepoint")),
        ("tracepoint:syscalls:sys_enter_openat", Place("syscall", "openat", "tracepoint")),
        ("uprobe:/bin/bash:readline", Place("user", "/bin/bash:readline", "uprobe")),
        ("/bin/bash:readline", Place("user", "/bin/bash:readline")),
        ("c:malloc", Place("user", "c:malloc")),
    ],
)
def test_names(text, expected):
    assert places_of(text, 10) == [expected]


def test_glob():
    assert [place.name for place in places_of("kprobe:tcp_*", 10)] == ["tcp_a", "tcp_b"]


def test_no_such_system_call():
    with pytest.raises(BadUseError, match="no system call is called 'reed'"):
        places_of("syscall:reed", 10)


def test_cheapest_counter_first():
    assert Place("function", "f").counting_points()[0] == Point("fentry", "f")
    syscall = Place("syscall", "read").counting_points()
    assert syscall[-1] == Point("tracepoint", "syscalls:sys_enter_read")
    event = Place("tracepoint", "sched:sched_switch").counting_points()
    assert event[0] == Point("raw_tracepoint", "sched_switch")
