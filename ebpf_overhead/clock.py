"""What the clock of this machine means, and how finely it has to be sampled.

On real hardware and in a guest with hardware virtualisation it is time.  In a guest
under ``icount`` it counts instructions (1 ns = 1 instruction): such numbers repeat, so
few short windows are enough.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ebpf_overhead import perf
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError

# Set in guests by ebpf_overhead.guest; absent on a machine's own kernel.
VARIABLE = "EBPF_OVERHEAD_CLOCK"


@dataclass(frozen=True)
class Clock:
    """How to sample by a clock.

    Attributes
    ----------
    name : str
        ``wall`` or ``icount``.
    unit : str
        What a reading counts: ``ns`` or ``instructions``.
    window : int
        Length of a window, in the clock's unit.
    windows_per_half : int
        Windows in half a block.
    counter : int or None
        Descriptor of the counter that is read; None for the machine's clock.
    places_matter : bool
        Whether a call takes longer or shorter by where programs and threads lie in memory.
    """

    name: str
    unit: str
    window: int
    windows_per_half: int
    counter: int | None = None
    places_matter: bool = False

    @property
    def source(self) -> dict[str, int]:
        """What `ebpf_overhead._workload.run` has to be told to read it."""
        return {} if self.counter is None else {"counter": self.counter}


# A window is long against the clock reads around it and short against the timer tick.
# Half a block has 16 windows, about 6 ms.  Machines are disturbed for milliseconds at a
# time, so many short blocks say more than a few long ones.  Shorter than this would not
# pay: attaching again waits for the RCU grace period that detaching began.
WALL = Clock("wall", "ns", 400_000, 16, places_matter=True)
ICOUNT = Clock("icount", "instructions", 200_000, 5)
# Reading the counter costs about one call more, and interrupts count: windows as long as by time.
COUNTER = Clock("counter", "instructions", 2_000_000, 16)

_counting: Clock | None = None


def current() -> Clock:
    """Return the clock of the machine this runs on, or the counter while `counting`."""
    if _counting is not None:
        return _counting
    return ICOUNT if os.environ.get(VARIABLE) == ICOUNT.name else WALL


@contextmanager
def counting() -> Iterator[Clock]:
    """Measure by the CPU's counter of instructions, instead of by time, while the block runs.

    Raises
    ------
    UnsupportedError
        There is no such counter.
    RefusedError
        There is one, and not for this user.
    """
    global _counting
    try:
        descriptor = perf.instructions()
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
