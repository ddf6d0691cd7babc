"""Which hooks lead to a target, and what is said of names that lead nowhere."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.latency import ways
from ebpf_overhead.latency.ways import no_way, ways_in
from ebpf_overhead.tracers.hooks import Point


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """A kernel with two functions and one system call."""
    monkeypatch.setattr(ways, "is_syscall", lambda name: name == "read")
    monkeypatch.setattr(ways, "user_offset", lambda name: ("/lib/x.so", 16))
    monkeypatch.setattr(ways, "is_traceable", lambda name: name != "notrace_function")


def test_function_cheapest_first():
    kinds = [way.kind for way in ways_in("vfs_read")]
    assert kinds == ["fentry/fexit", "kprobe/kretprobe"]
    assert ways_in("vfs_read")[0].exit == Point("fexit", "vfs_read")


def test_syscall_by_name_and_by_its_function_ends_with_tracepoints():
    for target in ("syscall:read", "__x64_sys_read", "__do_sys_read"):
        last = ways_in(target)[-1]
        assert last.entry == Point("tracepoint", "syscalls:sys_enter_read")
        assert last.exit == Point("tracepoint", "syscalls:sys_exit_read")


def test_pair_of_tracepoints():
    expected = ("irq:softirq_entry", "irq:softirq_exit")
    for text in ("irq:softirq_entry,softirq_exit", "irq:softirq_entry,irq:softirq_exit"):
        (way,) = ways_in(f"tracepoint:{text}")
        assert (way.entry.name, way.exit.name) == expected


def test_user_function():
    (way,) = ways_in("c:malloc")
    assert (way.entry, way.exit) == (Point("uprobe", "c:malloc"), Point("uretprobe", "c:malloc"))
    assert ways_in("uprobe:/bin/x:main")[0].entry.name == "/bin/x:main"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("vfs_*", "not the name of one function"),
        ("tracepoint:irq:softirq_entry", "two tracepoints"),
        ("syscall:reed", "no system call is called 'reed'"),
    ],
)
def test_bad_targets(target, words):
    with pytest.raises(BadUseError, match=words):
        ways_in(target)


def test_reason_names_every_way(monkeypatch):
    monkeypatch.setattr(ways, "explain_name", lambda name: None)
    reasons = {
        "fentry/fexit": UnsupportedError("EPERM"),
        "kprobe/kretprobe": UnsupportedError("no"),
    }
    error = no_way("vfs_read", reasons)
    assert str(error) == "vfs_read cannot be traced here: fentry/fexit: EPERM; kprobe/kretprobe: no"


def test_function_without_room_for_a_hook(monkeypatch):
    monkeypatch.setattr(ways, "explain_name", lambda name: None)
    error = no_way("notrace_function", {"fentry/fexit": UnsupportedError("EINVAL")})
    assert "ftrace has no place for a hook" in error.what


def test_wrong_name_wins_over_refusals(monkeypatch):
    monkeypatch.setattr(ways, "explain_name", lambda name: BadUseError("no function"))
    assert no_way("vfs_reed", {"fentry/fexit": UnsupportedError("EPERM")}).what == "no function"
