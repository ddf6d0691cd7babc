"""What is measured on many CPUs at once: programs, numbers of CPUs, and where it makes sense."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from ebpf_overhead.errors import BadUseError, UnknownNameError, UnsupportedError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, Case
from ebpf_overhead.programs.catalogue import PROGRAMS
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.workloads import GETPID

# What the CPUs share in each: nothing; an element or an entry that all write; one that each has a
# value in; an entry and the marks of its use; a lock.
SHARING = {
    name: PROGRAMS[name]
    for name in ("empty", "array", "simple", "percpu_hash", "lru_hash", "ringbuf_output")
}


def require() -> None:
    """Raise UnsupportedError where contention cannot be measured.

    Under icount it cannot: contention is the time that cache lines take from CPU to CPU,
    such a guest has one CPU, and its clock counts instructions, which stay the same.
    """
    if clock.current() is clock.ICOUNT:
        raise UnsupportedError(
            "contention cannot be seen under icount: one CPU, and a clock of instructions, which"
            " do not grow with the time that a cache line takes from CPU to CPU",
            "measure natively, or in a guest with the clock wall",
        )
    if len(os.sched_getaffinity(0)) < 2:
        raise UnsupportedError("this process may use one CPU only", "allow it two or more")


def select(attach: str, programs: Iterable[str] = ()) -> list[Case]:
    """Return the cases of some of the programs, all by default, at an attach type."""
    wanted = set(programs) or SHARING.keys()
    if unknown := sorted(wanted - SHARING.keys()):
        raise UnknownNameError("program", unknown[0], SHARING)
    return [
        Case(GETPID, ATTACH_TYPES[attach], each) for name, each in SHARING.items() if name in wanted
    ]


def choose_counts(wanted: Sequence[int] = ()) -> list[int]:
    """Return the numbers of CPUs to measure: 1, those asked for or 2, 4, 8 … and all.

    Raises
    ------
    BadUseError
        There are not so many CPUs.
    """
    available = len(os.sched_getaffinity(0))
    if wanted and not 1 <= min(wanted) <= max(wanted) <= available:
        raise BadUseError(f"{max(wanted)} CPUs asked for, {available} available", "choose fewer")
    doubling = [1 << power for power in range(available.bit_length())]
    return sorted({1, *(wanted or [*(each for each in doubling if each < available), available])})
