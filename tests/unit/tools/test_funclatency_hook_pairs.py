"""The pairs of hooks for a target, and the errors for wrong names."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.hooks import symbols
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.tools.funclatency import hook_pairs
from ebpf_overhead.tools.funclatency.hook_pairs import no_pair, pairs_on


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """A kernel with two functions and one system call."""
    monkeypatch.setattr(symbols, "syscalls", lambda: ["read"])
    monkeypatch.setattr(hook_pairs, "user_point", lambda name: AttachPoint(name, 16, "/lib/x.so"))
    monkeypatch.setattr(hook_pairs, "has_go_code", lambda path: False)
    monkeypatch.setattr(hook_pairs, "is_traceable", lambda name: name != "notrace_function")


def test_function_cheapest_first():
    kinds = [pair.kind for pair in pairs_on("vfs_read")]
    assert kinds == ["fentry/fexit", "kprobe/kretprobe"]
    assert str(pairs_on("vfs_read")[0].exit) == "fexit:vfs_read"


def test_syscall_by_name_and_by_its_function_ends_with_tracepoints():
    for target in ("syscall:read", "__x64_sys_read", "__do_sys_read"):
        last = pairs_on(target)[-1]
        assert str(last.entry) == "tracepoint:syscalls:sys_enter_read"
        assert str(last.exit) == "tracepoint:syscalls:sys_exit_read"


def test_pair_of_tracepoints():
    expected = ("irq:softirq_entry", "irq:softirq_exit")
    for text in ("irq:softirq_entry,softirq_exit", "irq:softirq_entry,irq:softirq_exit"):
        (pair,) = pairs_on(f"tracepoint:{text}")
        assert (str(pair.entry.point), str(pair.exit.point)) == expected


def test_user_function():
    (pair,) = pairs_on("c:malloc")
    assert (str(pair.entry), str(pair.exit)) == ("uprobe:c:malloc", "uretprobe:c:malloc")
    assert pairs_on("uprobe:/bin/x:main")[0].entry.point.name == "/bin/x:main"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("vfs_*", "not the name of one function"),
        ("tracepoint:irq:softirq_entry", "two tracepoints"),
        ("[" * 100_000, "100,000 characters names nothing"),
        ("syscall:reed", "no system call is called 'reed'"),
    ],
)
def test_bad_targets(target, words):
    with pytest.raises(BadUseError, match=words):
        pairs_on(target)


def test_reason_names_every_pair_of_hooks(monkeypatch):
    monkeypatch.setattr(hook_pairs, "explain_name", lambda name: None)
    reasons = {
        "fentry/fexit": UnsupportedError("EPERM"),
        "kprobe/kretprobe": UnsupportedError("no"),
    }
    error = no_pair("vfs_read", reasons)
    assert str(error) == "vfs_read cannot be traced here: fentry/fexit: EPERM; kprobe/kretprobe: no"


def test_function_that_ftrace_cannot_hook(monkeypatch):
    monkeypatch.setattr(hook_pairs, "explain_name", lambda name: None)
    error = no_pair("notrace_function", {"fentry/fexit": UnsupportedError("EINVAL")})
    assert "ftrace has no place for a hook" in error.what


def test_wrong_name_is_reported_before_refusals(monkeypatch):
    monkeypatch.setattr(hook_pairs, "explain_name", lambda name: BadUseError("no function"))
    assert no_pair("vfs_reed", {"fentry/fexit": UnsupportedError("EPERM")}).what == "no function"
