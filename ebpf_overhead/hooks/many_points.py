"""Many points of one kind: where a tool that watches much attaches its programs.

They are such as calls of the workload do not pass, so that those show what attaching costs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ebpf_overhead.bpf import pseudofs
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.symbols import kernel_functions, traceable_functions
from ebpf_overhead.programs import bcc_symbols
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import Workload

# Entry functions of system calls, of which hardly any is called all the time.
_ENTRY = re.compile(r"__(x64|ia32|arm64|se|do)_(compat_)?sys_(?P<syscall>\w+)")
# What passes their events has interrupts off, holds a lock, or does so all the time; and what
# is listed apart, or passed by every system call.
_BUSY = {"nmi", "irq", "irq_vectors", "exceptions", "lock", "rcu", "sched", "timer", "kmem"}
_SYSCALLS = "syscalls"
_ELSEWHERE = {*_BUSY, _SYSCALLS, "raw_syscalls"}
# `ebpf_overhead_places` of `_workload_functions.c`.
_PLACES, _PLACE_BYTES = 1024, 16


def none(workload: Workload) -> Iterator[AttachPoint]:
    """Yield nothing: what is like the workload's point is not found by its name."""
    return iter(())


def functions(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the entry functions of other system calls."""
    for name in sorted(traceable_functions() or kernel_functions()):
        entry = _ENTRY.fullmatch(name)
        if entry and entry["syscall"] != workload.syscall:
            yield AttachPoint(name)


def events(workload: Workload) -> Iterator[AttachPoint]:
    """Yield perf's tracepoints: those of other system calls, then others."""
    known = _known_events()
    calls = (each for each in known if each.startswith(f"{_SYSCALLS}:"))
    own = tuple(f"{_SYSCALLS}:sys_{end}_{workload.syscall}" for end in ("enter", "exit"))
    for name in (*(each for each in calls if each not in own), *_quiet(known)):
        yield AttachPoint(name)


def tracepoints(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the kernel's tracepoints but for those that all system calls share."""
    for name in dict.fromkeys(each.partition(":")[2] for each in _quiet(_known_events())):
        yield AttachPoint(name)


def places(workload: Workload) -> Iterator[AttachPoint]:
    """Yield instructions of a function of our own that nobody calls."""
    path = str(_workload.__file__)
    begin = bcc_symbols.file_offset(path, "ebpf_overhead_places")
    for number in range(_PLACES if begin else 0):
        offset_bytes = (begin or 0) + number * _PLACE_BYTES
        yield AttachPoint(f"place {number}", offset_bytes, path, os.getpid())


def _known_events() -> list[str]:
    try:
        return sorted(pseudofs.read_text("tracefs", "available_events").split())
    except OSError:
        return []


def _quiet(events: list[str]) -> Iterator[str]:
    for event in events:
        if event.partition(":")[0] not in _ELSEWHERE:
            yield event
