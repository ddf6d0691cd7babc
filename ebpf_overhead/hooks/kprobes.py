"""kprobes: perf events at entry, inside and at return, and links through fprobe."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence

from ebpf_overhead.bpf import links, perf_event, pseudofs
from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.symbols import entry_symbols, kernel_functions
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import Workload

# perf_event_open(2) needs it on some kernels, mounting debugfs on all.
CAPABILITY = "CAP_SYS_ADMIN"
# How far into the function to look for an instruction: getpid is some 30 bytes long.
_OFFSETS = range(1, 65)


def functions(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the functions by which the workload's system call may be entered."""
    return (AttachPoint(symbol) for symbol in entry_symbols(str(workload.syscall)))


def changed_function(name: str, workload: Workload) -> Iterator[AttachPoint]:
    """Yield a function by its name, or by what a compiler has made of it: ``name.isra.0``."""
    known = kernel_functions()
    made = sorted(each for each in known if each.startswith((f"{name}.isra", f"{name}.constprop")))
    yield AttachPoint(next((each for each in (name, *made) if each in known), name))


def find_event(point: AttachPoint) -> int:
    """Return 0, after finding that this kernel has perf events for kprobes."""
    perf_event.kprobe_pmu()
    return 0


def open_event(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program by a perf event at a function's entry, inside it, or at its return."""
    event = perf_event.kprobe(perf_event.kprobe_pmu(), point.name, point.offset_bytes, at_return)
    return perf_event.attach(event, program.fd)


def open_link(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program by a link to a function's entry, its return, or both."""
    return open_links(program, [point], at_return)


def open_links(program: LoadedProgram, points: Sequence[AttachPoint], at_return: bool) -> int:
    """Attach a program by one link to several functions."""
    names = [point.name for point in points]
    return links.kprobe_multi(program.fd, program.loaded_as.attach, names, at_return)


def breakpoints(workload: Workload) -> Iterator[AttachPoint]:
    """Yield a point inside the system call's function that a breakpoint reaches, and stays so.

    At entry a kprobe uses ftrace's nop, and some instructions' breakpoints are replaced by a
    jump after a few timer ticks.  The kernel says so in debugfs, and such points are passed over.

    Raises
    ------
    UnsupportedError
        There is none, or the kernel does not tell.
    RefusedError
        The kernel does not tell this process.
    """
    pmu = perf_event.kprobe_pmu()
    reason: UnsupportedError | None = None
    for point in functions(workload):
        try:
            offset_bytes = _breakpoint_offset(pmu, point.name)
        except UnsupportedError as error:
            reason = reason or error
            continue
        yield AttachPoint(point.name, offset_bytes)
        return
    assert reason is not None  # there is always at least one candidate
    raise reason


def _breakpoint_offset(pmu: int, symbol: str) -> int:
    seen = []
    for offset in _OFFSETS:
        try:
            event_fd = perf_event.kprobe(pmu, symbol, offset)
        except OSError as error:
            # EILSEQ or EINVAL: within an instruction, or behind the function's end.
            if error.errno in (errno.EILSEQ, errno.EINVAL):
                continue
            raise explain(error, "attach", f"{symbol}+{offset:#x}", CAPABILITY) from error
        try:
            perf_event.enable(event_fd)
            marks = _marks(symbol, offset)
        finally:
            os.close(event_fd)
        if not marks:
            return offset
        seen.append(f"+{offset:#x} {marks}")
    raise UnsupportedError(
        f"no instruction of {symbol} takes a kprobe by a breakpoint: {', '.join(seen) or 'none'}"
    )


def _marks(symbol: str, offset: int) -> str:
    """Return how the kernel marks a kprobe that is on: ``[FTRACE]``, ``[OPTIMIZED]``, nothing.

    Lines of debugfs ``kprobes/list`` are like ``ffffffff810e46d4  k  getpid+0x4    [FTRACE]``.
    """
    try:
        lines = pseudofs.read_text("debugfs", "kprobes/list").splitlines()
    except OSError as error:
        what = f"debugfs kprobes/list, which tells what a kprobe inside {symbol} becomes,"
        raise explain(error, "attach", what, CAPABILITY) from error
    place = f"{symbol}+{offset:#x}"
    for line in lines:
        fields = line.split()
        if place in fields:
            return " ".join(field for field in fields if field.startswith("["))
    raise UnsupportedError(f"kprobe {place} not in debugfs kprobes/list")
