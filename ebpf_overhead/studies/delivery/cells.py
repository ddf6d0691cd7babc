"""What is measured: ways to hand a record over, readers, and rates.

Nothing here touches the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.errors import UnknownNameError

# Values of BUFFER in probes/delivery.c.
NONE, RING, PERF = range(3)
_NO_WAKEUP, _FORCE_WAKEUP = 1, 2  # BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP


@dataclass(frozen=True)
class RecordBuffer:
    """A way to hand a record over.

    Attributes
    ----------
    name : str
        Name in results.
    kind : int
        `NONE`, `RING` or `PERF`.
    summary : str
        What it does, for people.
    flags : int
        Of ``bpf_ringbuf_output``.
    wakeup_events : int or None
        How many records wake the reader up, of a perf buffer.
    """

    name: str
    kind: int
    summary: str
    flags: int = 0
    wakeup_events: int | None = None

    @property
    def wakes(self) -> bool:
        """Whether it wakes a reader up that sleeps."""
        return self.kind != NONE and self.flags != _NO_WAKEUP


@dataclass(frozen=True)
class Reader:
    """Who takes records out.

    Attributes
    ----------
    name : str
        Name in results.
    summary : str
        What it does, for people.
    waits : str
        Until it is ``woken``, for some ``time``, or ``never``; ``absent`` if there is none.
    beside : bool
        Whether it has another CPU than the caller.
    """

    name: str
    summary: str
    waits: Literal["woken", "time", "never", "absent"]
    beside: bool = True


BUFFERS = {
    each.name: each
    for each in (
        RecordBuffer("none", NONE, "no record: hook, filter and time"),
        RecordBuffer("ring", RING, "ring buffer; the reader is woken where it has caught up"),
        RecordBuffer("ring_force", RING, "ring buffer, BPF_RB_FORCE_WAKEUP", _FORCE_WAKEUP),
        RecordBuffer("ring_never", RING, "ring buffer, BPF_RB_NO_WAKEUP", _NO_WAKEUP),
        RecordBuffer("perf_1", PERF, "perf buffer, a wake-up at every record", wakeup_events=1),
        RecordBuffer("perf_64", PERF, "perf buffer, a wake-up at every 64th", wakeup_events=64),
    )
}
READERS = {
    each.name: each
    for each in (
        Reader("none", "nobody reads, and the buffer is full", "absent"),
        Reader("woken", "sleeps until it is woken, on another CPU", "woken"),
        Reader("same_cpu", "the same, on the caller's CPU", "woken", beside=False),
        Reader("timed", "looks every 10 ms, on another CPU", "time"),
        Reader("busy", "looks all the time, on another CPU", "never"),
    )
}
# Calls per second; 0 for as fast as it goes.
RATES = (1_000, 10_000, 100_000, 0)
RATE_MAX = 1_000_000


@dataclass(frozen=True)
class DeliveryCell:
    """A buffer, a reader and a rate.

    Attributes
    ----------
    buffer : RecordBuffer
        How records are handed over.
    reader : Reader
        Who takes them out.
    rate : int
        Calls per second, each with a record; 0 for as fast as it goes.
    """

    buffer: RecordBuffer
    reader: Reader
    rate: int

    @property
    def name(self) -> str:
        """Name for people: ``ring/woken/10000``."""
        return f"{self.buffer.name}/{self.reader.name}/{self.rate or 'flat out'}"

    @property
    def possible(self) -> bool:
        """Whether the reader is one for the buffer: somebody wakes it up where it sleeps."""
        if self.buffer.kind == NONE:
            return self.reader.waits == "absent"
        return self.buffer.wakes or self.reader.waits != "woken"


def choose(
    buffers: Sequence[str] = (), readers: Sequence[str] = (), rates: Sequence[int] = ()
) -> list[DeliveryCell]:
    """Return the cells of these names and rates, or all; with those that hand nothing over.

    Raises
    ------
    BadUseError
        There is no such buffer or reader.
    """
    known: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("buffer", buffers, tuple(BUFFERS)),
        ("reader", readers, tuple(READERS)),
    ]
    for kind, names, there in known:
        if unknown := sorted(set(names) - set(there)):
            raise UnknownNameError(kind, unknown[0], there)
    cells = [
        DeliveryCell(buffer, reader, rate)
        for buffer in BUFFERS.values()
        for reader in READERS.values()
        for rate in dict.fromkeys(rates or RATES)
        if not buffers or buffer.name in buffers or buffer.kind == NONE
        if not readers or reader.name in readers or buffer.kind == NONE
    ]
    return [cell for cell in cells if cell.possible]
