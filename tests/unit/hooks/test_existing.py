"""Who is on a target already: programs that run for its calls, hooks that the kernel lists."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.bpf.objects import KernelProgram
from ebpf_overhead.errors import RefusedError
from ebpf_overhead.hooks import existing
from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS

KPROBES = """\
ffffffff810e46d4  k  __x64_sys_getpid+0x0    [FTRACE]
ffffffff810e46d8  k  __do_sys_getpid+0x4    [DISABLED]
ffffffff810e4700  k  __x64_sys_getppid+0x0    [FTRACE]
ffffffff810e4710  r  security_task_getpgid+0x0    [FTRACE]
"""
FUNCTIONS = """\
__ia32_sys_getpid (1) R     \ttramp: 0xffffffffc0201000 (fprobe_handler+0x0/0x10)
do_sys_openat2 (1)     \ttramp: 0xffffffffc0202000
"""


@pytest.fixture
def kernel(monkeypatch):
    """A kernel with those lists and no programs."""
    files = {("debugfs", "kprobes/list"): KPROBES, ("tracefs", "enabled_functions"): FUNCTIONS}

    def read(fstype, path):
        try:
            return files[fstype, path]
        except KeyError:
            raise FileNotFoundError(path) from None

    monkeypatch.setattr(existing.pseudofs, "read_text", read)
    monkeypatch.setattr(existing.syscall, "enable_stats", lambda: os.open(os.devnull, os.O_RDONLY))
    monkeypatch.setattr(existing.objects, "programs", dict)
    monkeypatch.setattr(existing._workload, "run", lambda target, calls: ([1], calls))
    return files


def test_listed_hooks_are_those_of_the_target_by_any_of_its_names(kernel):
    assert existing.of(GETPID) == (
        ExistingHook("kprobe", "__x64_sys_getpid+0x0"),
        ExistingHook("kprobe", "__do_sys_getpid+0x4 (disabled)"),
        ExistingHook("ftrace", "__ia32_sys_getpid"),
    )
    (security,) = existing.of(WORKLOADS["getpgid"])
    assert security == ExistingHook("kprobe", "security_task_getpgid+0x0")
    assert existing.of(WORKLOADS["read"]) == ()
    assert existing.of(WORKLOADS["function"]) == ()


@pytest.mark.parametrize("event", ["syscalls/sys_exit_close", "raw_syscalls/sys_enter"])
def test_events_that_are_on(kernel, event):
    kernel.clear()
    kernel["tracefs", f"events/{event}/enable"] = "1\n"
    kernel["tracefs", "events/syscalls/sys_enter_openat/enable"] = "0\n"
    found = existing.of(WORKLOADS["openat_close"])
    assert found == (ExistingHook("tracepoint", event.replace("/", ":")),)


def test_programs_that_run_once_a_call_in_every_pass(kernel, monkeypatch):
    kernel.clear()
    runs = {5: 0, 6: 0, 7: 0}
    passes = []

    def run(target, calls):
        passes.append(target)
        runs[5] += calls
        runs[6] += calls - 1
        runs[7] += calls if len(passes) == 1 else 0  # others ran it, by chance
        return [1], calls

    monkeypatch.setattr(existing._workload, "run", run)
    monkeypatch.setattr(
        existing.objects,
        "programs",
        lambda: {
            n: KernelProgram(n, "kprobe", f"name{n}", "", (), count, 0) for n, count in runs.items()
        },
    )
    assert existing.of(GETPID) == (ExistingHook("bpf", "program 5 name5"),)
    assert len(passes) > 1


def test_whoever_may_not_look_sees_nobody(kernel, monkeypatch):
    kernel.clear()

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    def refuse_listing():
        raise RefusedError("no")

    monkeypatch.setattr(existing.objects, "programs", refuse_listing)
    assert existing.of(GETPID) == ()
    monkeypatch.setattr(existing.syscall, "enable_stats", refuse)
    assert existing.of(GETPID) == ()


def one(name: str) -> ExistingHook:
    return ExistingHook("bpf", f"program {name}")


@pytest.mark.parametrize(
    ("before", "now", "again", "changed"),
    [
        ("", "", None, ""),
        ("ab", "ba", None, ""),
        ("", "a", "a", "a"),
        ("ab", "b", "b", "a"),
        ("a", "b", "b", "ab"),
        # By chance, a program that others run was taken for one on the workload.
        ("", "c", "", ""),
        ("a", "bc", "b", "ab"),
    ],
)
def test_hooks_that_came_or_went(monkeypatch, before, now, again, changed):
    found = iter([before, now, again])
    monkeypatch.setattr(existing, "of", lambda workload: tuple(map(one, next(found))))
    hooks = existing.ExistingHooks()
    assert hooks.of(GETPID) == tuple(map(one, before))
    assert hooks.changed(GETPID) == tuple(map(one, changed))
    assert hooks.of(GETPID) == tuple(map(one, now))
