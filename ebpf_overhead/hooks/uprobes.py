"""uprobes: perf events, and links to several places.

Those on the workloads' functions are limited to this process, as a tool's ``-p PID`` does it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from ebpf_overhead.bpf import links, perf_event
from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.elf import has_go_code
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import INSTRUCTIONS, Workload


def own_function(workload: Workload) -> Iterator[AttachPoint]:
    """Yield where a uprobe on a workload goes, after looking at the instruction there.

    Raises
    ------
    UnsupportedError
        This machine's extension has no such function.
    FailedError
        It begins with another instruction, which would have another cost.
    """
    machine = platform.machine()
    expected = INSTRUCTIONS.get(workload.begins_with or "", {}).get(machine)
    if workload.name not in _workload.WORKLOADS:
        raise UnsupportedError(
            f"no workload {workload.name} on {machine}: it is written in assembly"
        )
    path, symbol, offset_bytes = _workload.workload_symbol(workload.name)
    if expected is not None:
        with Path(path).open("rb") as library:
            library.seek(offset_bytes)
            found = library.read(len(expected) // 2).hex()
        if found != expected:
            raise FailedError(
                f"{symbol} begins with {found}, not with {expected} ({workload.begins_with})",
                "build the extension again: pip install -e .",
            )
    yield AttachPoint(symbol, offset_bytes, path, os.getpid())


def find_event(point: AttachPoint) -> int:
    """Return 0, after finding that this kernel has perf events for uprobes."""
    perf_event.uprobe_pmu()
    return 0


def find_return(point: AttachPoint) -> int:
    """Return 0, after finding that a return probe does no harm there, by a perf event.

    Raises
    ------
    UnsupportedError
        See :func:`find_steady_stack`.
    """
    find_steady_stack(point)
    return find_event(point)


def find_steady_stack(point: AttachPoint) -> int:
    """Return 0, after finding that return addresses stay where they are.

    A return probe writes the address of its own code over the return address.  Go's runtime
    moves stacks, and walks them to do so: at an address that is none of its functions it ends the
    process.

    Raises
    ------
    UnsupportedError
        The file has Go code.
    """
    if has_go_code(str(point.path)):
        raise UnsupportedError(
            f"{point} takes no return probe: {point.path} has Go code (.gopclntab). Go moves its"
            " stacks, and ends the process at a return address that is not its own",
            "use uprobe at its entry",
        )
    return 0


def open_event(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program by a perf event at a function's entry or return, or at a USDT probe."""
    event = perf_event.uprobe(
        perf_event.uprobe_pmu(), str(point.path), point.offset_bytes, at_return, point.pid
    )
    return perf_event.attach(event, program.fd)


def open_link(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program by a link to a function's entry, its return, or both."""
    return open_links(program, [point], at_return)


def open_links(program: LoadedProgram, points: Sequence[AttachPoint], at_return: bool) -> int:
    """Attach a program by one link to several functions of a file, for one process."""
    kind, path, pid = program.loaded_as.attach, str(points[0].path), points[0].pid or 0
    offsets = [point.offset_bytes for point in points]
    return links.uprobe_multi(program.fd, kind, path, offsets, pid, at_return)
