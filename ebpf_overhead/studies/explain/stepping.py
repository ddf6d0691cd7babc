"""Stepping through one call of a workload's loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest.debugger import Stop

# Of each window that is stepped through: those before the last are whole, from one beginning to
# the next.
CALLS = 3
# The kernel's half of the addresses.
KERNEL = 1 << 63
# A call of the most expensive workload that does not wait has fewer.
_MOST_STEPS = 400_000
_POINTER_BYTES = 8


class Steps(Protocol):
    """What a guest is stepped through by; see `ebpf_overhead.guest.debugger.Debugger`."""

    def run_to(self, address: int) -> None:
        """Let the guest run to an address."""

    def place(self) -> Stop:
        """Return where the CPU is."""

    def step(self) -> Stop:
        """Execute one instruction."""

    def read(self, address: int, length_bytes: int) -> bytes:
        """Return what lies at an address."""


def in_kernel(address: int) -> bool:
    """Whether an address is one of the kernel's."""
    return address >= KERNEL


def step_calls(debugger: Steps, loop: int) -> list[list[Stop]]:
    """Step through a window of `CALLS` calls and return the places of each that is whole.

    Parameters
    ----------
    debugger : Steps
        Of the guest, in which a process calls the loop again and again.
    loop : int
        Address of the function with the loop.

    Returns
    -------
    list of list of Stop
        An instruction each, in the order of execution.

    Raises
    ------
    FailedError
        The calls wait for something, or are too long to be stepped through.
    """
    debugger.run_to(loop)
    start = debugger.place()
    back = int.from_bytes(debugger.read(start.sp, _POINTER_BYTES), "little")
    end = Stop(back, start.sp + _POINTER_BYTES)
    places = [start]
    while (place := debugger.step()) != end:
        places.append(place)
        if len(places) > _MOST_STEPS:
            raise FailedError(
                f"{CALLS} calls of the workload have more than {_MOST_STEPS:,} instructions",
                "choose one with shorter calls",
            )
    return _whole(places)


def _whole(places: Sequence[Stop]) -> list[list[Stop]]:
    """Return the places from each beginning of the loop's body to the next."""
    passes = Counter(place.pc for place in places if not in_kernel(place.pc))
    # The first instruction of the body is the first that is executed once per call.
    body = next((place.pc for place in places if passes[place.pc] == CALLS), None)
    if body is None:
        raise FailedError(f"no instruction of the loop was executed {CALLS} times")
    starts = [number for number, place in enumerate(places) if place.pc == body]
    return [list(places[start:end]) for start, end in pairwise(starts)]
