"""What the clock of this machine means, and how finely it has to be sampled.

On real hardware and in a guest with hardware virtualisation it is time.  In a guest
under ``icount`` it counts instructions (1 ns = 1 instruction): such numbers repeat, so
few short windows are enough.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

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
    """

    name: str
    unit: str
    window: int
    windows_per_half: int


# A window is long against the clock reads around it and short against the timer tick.
# Half a block has 16 windows, about 6 ms.  Machines are disturbed for milliseconds at a
# time, so many short blocks say more than a few long ones.  Shorter than this would not
# pay: attaching again waits for the RCU grace period that detaching began.
WALL = Clock("wall", "ns", 400_000, 16)
ICOUNT = Clock("icount", "instructions", 200_000, 5)


def current() -> Clock:
    """Return the clock of the machine this runs on."""
    return ICOUNT if os.environ.get(VARIABLE) == ICOUNT.name else WALL
