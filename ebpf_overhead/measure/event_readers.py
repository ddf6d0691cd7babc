"""Readers of a program's event buffers, as tools have them: libbpf, in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager

from ebpf_overhead.bpf.maps import MapType
from ebpf_overhead.programs.libbpf_reader import LibbpfBuffer, ReadingThread, reading
from ebpf_overhead.programs.program_state import ProgramState
from ebpf_overhead.workload import _workload

# What libbpf and BCC open a perf buffer with.
_WAKEUP_EVENTS = 1


def opened(map_fd: int, wakeup_events: int | None) -> LibbpfBuffer:
    """Return an event buffer in libbpf's hands, whose records are counted.

    Parameters
    ----------
    map_fd : int
        Descriptor of the program's map.
    wakeup_events : int or None
        How many records wake the reader of a perf buffer up; None for a ring buffer.
    """
    perf = wakeup_events is not None
    callback = _workload.COUNT_PERF_EVENT if perf else _workload.COUNT_RING_RECORD
    return LibbpfBuffer(map_fd, wakeup_events, callback)


@contextmanager
def read_by_thread(
    buffer: LibbpfBuffer, cpus: Set[int], sleep_ns: int | None = None
) -> Iterator[ReadingThread]:
    """Have a thread read a buffer while the block runs.

    Parameters
    ----------
    buffer : LibbpfBuffer
        What it reads.
    cpus : set of int
        Where it may run.
    sleep_ns : int or None
        How long it sleeps between two looks at the buffer; None to be woken up.
    """
    with reading(buffer, _workload.read_events, cpus, sleep_ns) as thread:
        yield thread


@contextmanager
def read_as_tools_do(
    program: ProgramState, cpus: Set[int] | None = None
) -> Iterator[list[LibbpfBuffer]]:
    """Have all event buffers of a program read, each by a thread that sleeps until it is woken up.

    Parameters
    ----------
    program : ProgramState
        The program.
    cpus : set of int, optional
        Where the threads may run; by default where the calling thread may.

    Yields
    ------
    list of LibbpfBuffer
    """
    with ExitStack() as stack:
        buffers = []
        for name, kind in program.output_maps().items():
            wakeup_events = None if kind == MapType.RINGBUF else _WAKEUP_EVENTS
            buffers.append(stack.enter_context(opened(program.maps.fds[name], wakeup_events)))
        for buffer in buffers:
            stack.enter_context(read_by_thread(buffer, cpus or os.sched_getaffinity(0)))
        yield buffers
