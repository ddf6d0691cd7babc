"""The clock of this machine, and how to sample by it.

On real hardware and in a guest with hardware virtualisation, the clock measures time.  In a
guest under ``icount`` it counts instructions (1 ns is 1 instruction).  These numbers repeat, so
few short windows are enough.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError

# Set in guests by ebpf_overhead.guest; absent on the host.
VARIABLE = "EBPF_OVERHEAD_CLOCK"


@dataclass(frozen=True)
class Clock:
    """How to sample by a clock.

    Attributes
    ----------
    name : str
        ``wall`` or ``icount``.
    unit : str
        Unit of a reading: ``ns`` or ``instructions``.
    window : int
        Length of a window, in the clock's unit.
    windows_per_half : int
        Windows in half a block.
    counter : int or None
        Descriptor of the counter to read; None for the machine's clock.
    layout_sensitive : bool
        Whether the time of a call depends on where code and stack lie in memory.
    blocks_per_switch : int
        How many halves of one kind are measured one after the other.
    long_window : int or None
        Length of a window that shows what calls cost on average where short ones do not: it is
        several ticks long.  None where that is not looked at.
    """

    name: str
    unit: Literal["ns", "instructions"]
    window: int
    windows_per_half: int
    counter: int | None = None
    layout_sensitive: bool = False
    blocks_per_switch: int = 1
    long_window: int | None = None

    @property
    def source(self) -> dict[str, Any]:
        """Keyword arguments of `ebpf_overhead.workload._workload.run` to read it."""
        return {} if self.counter is None else {"counter": self.counter}


# A window is long compared with reading the clock and short compared with the timer tick.
# Half a block has 16 windows, about 6 ms.  Machines are disturbed for milliseconds at a
# time, so many short blocks say more than a few long ones.  Shorter blocks would not help:
# attaching again waits for the RCU grace period that detaching began.
WALL = Clock("wall", "ns", 400_000, 16, layout_sensitive=True)
# What is counted in a guest does not drift, and attaching takes more instructions than measuring.
# A tick of 250 Hz is 4 million instructions, and so is about a slice of the scheduler.
ICOUNT = Clock("icount", "instructions", 200_000, 5, blocks_per_switch=5, long_window=10_000_000)
# Reading the counter costs about one additional call, and interrupts count.  So windows are long.
COUNTER = Clock("counter", "instructions", 2_000_000, 16)

_counting: Clock | None = None


def current() -> Clock:
    """Return the clock of this machine, or the counter inside `counting`."""
    if _counting is not None:
        return _counting
    return ICOUNT if os.environ.get(VARIABLE) == ICOUNT.name else WALL


@contextmanager
def counting() -> Iterator[Clock]:
    """Measure with the CPU's counter of instructions while the block runs.

    Raises
    ------
    UnsupportedError
        This CPU or hypervisor has no such counter.
    RefusedError
        This user may not use the counter.
    """
    global _counting
    try:
        descriptor = perf_event.instructions()
    except OSError as error:
        raise _no_counter(error) from error
    _counting = replace(COUNTER, counter=descriptor)
    try:
        yield _counting
    finally:
        _counting = None
        os.close(descriptor)


def _no_counter(error: OSError) -> OverheadError:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    if error.errno in (errno.EACCES, errno.EPERM):
        return RefusedError(
            f"the hardware instruction counter is refused: {name} from perf_event_open",
            "run as root, with CAP_PERFMON, or with kernel.perf_event_paranoid = 1",
        )
    return UnsupportedError(
        f"no hardware instruction counter: {name} from perf_event_open",
        "measure in a guest, or on a machine that has one",
    )
