"""Tracepoints: through perf, raw, and with BTF types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from ebpf_overhead.bpf import btf, perf_event, pseudofs, syscall
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import Workload


def event(template: str, workload: Workload) -> Iterator[AttachPoint]:
    """Yield the tracepoint of a workload; ``{syscall}`` stands for its system call's name."""
    yield AttachPoint(template.format(syscall=workload.syscall))


def find_event(point: AttachPoint) -> int:
    """Return 0, after finding that perf knows the tracepoint."""
    _event_id(point.name)
    return 0


def find_typed(point: AttachPoint) -> int:
    """Return the BTF id of a tracepoint's arguments.

    Raises
    ------
    UnsupportedError
        The kernel has no BTF, or no such tracepoint.
    """
    btf_id = btf.find_id(point.name, syscall.TraceAttachType.RAW_TP)
    if btf_id is None:
        raise UnsupportedError(f"tracepoint {point} not in the kernel's BTF")
    return btf_id


def record_bytes(point: AttachPoint) -> int | None:
    """Return the length of a tracepoint's record; None where its format cannot be read.

    The kernel refuses a program that reads beyond it with EACCES, when it is attached
    (``trace_event_get_offsets`` of ``kernel/trace/trace_events.c``).
    """
    try:
        text = pseudofs.read_text("tracefs", f"events/{point.name.replace(':', '/')}/format")
    except OSError:
        return None
    fields = re.findall(r"\toffset:(\d+);\tsize:(\d+);", text)
    return max((int(offset) + int(size) for offset, size in fields), default=None)


def arguments_bytes(point: AttachPoint) -> int | None:
    """Return the length of a raw tracepoint's arguments; None where it is not known here."""
    # TP_PROTO of include/trace/events/syscalls.h: registers, and the number or the result.
    return 2 * 8 if point.name in ("sys_enter", "sys_exit") else None


def open_event(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to a tracepoint through perf."""
    return perf_event.attach(perf_event.tracepoint(_event_id(point.name)), program.fd)


def open_raw(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to a raw tracepoint."""
    return syscall.raw_tracepoint_open(program.fd, point.name)


@cache
def _event_id(name: str) -> int:
    """Return the number by which perf knows a tracepoint, given as ``subsystem:name``.

    Raises
    ------
    RefusedError
        tracefs cannot be read.
    UnsupportedError
        The kernel has no such tracepoint.
    """
    path = f"events/{name.replace(':', '/')}/id"
    if "*" in name:
        raise UnsupportedError(f"a call passes none or several of {name}", "name one")
    try:
        return int(pseudofs.read_text("tracefs", path))
    except PermissionError as error:
        raise RefusedError(
            f"tracefs cannot be read: {error}", "run as root or grant CAP_SYS_ADMIN"
        ) from error
    except OSError as error:
        raise UnsupportedError(f"no tracepoint {name} in this kernel", _instead_of(name)) from error


def _instead_of(name: str) -> str:
    """Return what to do where there is no such tracepoint."""
    category, _, event = name.partition(":")
    events: list[str] = []
    with suppress(OSError):  # there is no such category
        events = pseudofs.names("tracefs", f"events/{category}")
    near = difflib.get_close_matches(event, events)
    if near:
        return f"did you mean {category}:{f' or {category}:'.join(near)}?"
    of_calls = category.endswith("syscalls") and not events
    return "use a kernel with CONFIG_FTRACE_SYSCALLS=y" if of_calls else ""
