"""Places as users and other tools name them."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks import symbols
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.tools.estimate import places
from ebpf_overhead.tools.estimate.places import Place, places_of


@pytest.fixture(autouse=True)
def names(monkeypatch):
    monkeypatch.setattr(symbols, "syscalls", lambda: ["openat", "read"])
    monkeypatch.setattr(places, "user_point", lambda name: AttachPoint(name, 16, "/lib/x.so"))
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


def test_counting_hooks_are_sorted_by_cost():
    assert sites("function", "f") == ["fentry:f", "kprobe:f"]
    syscall = sites("syscall", "read")
    assert syscall[0] == "fentry:__do_sys_read"
    assert "tracepoint:syscalls:sys_enter_read" in syscall
    assert not [site for site in syscall if site.startswith("raw_tracepoint")]
    assert sites("tracepoint", "sched:sched_switch") == [
        "raw_tracepoint:sched_switch",
        "tracepoint:sched:sched_switch",
    ]
    assert sites("tracepoint", "sched_switch") == ["raw_tracepoint:sched_switch"]
    (user,) = Place("user", "c:malloc").counting_sites()
    assert (str(user), user.point.offset_bytes, user.point.pid) == ("uprobe:c:malloc", 16, None)


def sites(kind: str, name: str) -> list[str]:
    return [str(site) for site in Place(kind, name).counting_sites()]


@pytest.mark.parametrize("text", ["[" * 100_000, "kprobe:" + "[" * 100_000, "a" * 100_000])
def test_text_that_is_too_long_is_refused(text):
    with pytest.raises(BadUseError, match=r"100,0\d\d characters names nothing: ") as caught:
        places_of(text, 10)
    assert len(str(caught.value)) < 200
