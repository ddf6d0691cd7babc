"""The histogram of ``tracers/latency.c``: slots, rows and percentiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SLOTS = 1024
ROWS = 256
COUNTERS = (
    *("entered", "returned", "unmatched", "overwritten", "lost", "unreturned"),
    *("outer_unreturned", "total_ns", "max_ns"),
)
_MAX = COUNTERS.index("max_ns")

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Row:
    """A row of a histogram: calls that took ``low`` to ``high`` units, both included.

    ``high`` is None in the last row of a linear histogram, which has all longer calls.
    """

    low: int
    high: int | None
    calls: int


@dataclass(frozen=True)
class Scale:
    """The units and rows of a histogram.

    Attributes
    ----------
    unit : str
        ``nsecs``, ``usecs``, ``msecs``, or ``instructions`` under a clock that counts them.
    unit_ns : int
        Length of the unit in ns (or instructions).
    linear_width : int or None
        Width of a row in units; None for powers of two.
    """

    unit: str = "nsecs"
    unit_ns: int = 1
    linear_width: int | None = None

    def definitions(self) -> list[str]:
        """Return the macros for ``latency.c``; none where its slots are sufficient."""
        if self.linear_width is not None:
            return [f"LINEAR_WIDTH_NS={self.linear_width * self.unit_ns}ULL"]
        return [f"ROW_NS={self.unit_ns}ULL"] if self.unit_ns > 1 else []


@dataclass(frozen=True)
class LatencyCounts:
    """The counts of a function's calls in some time.

    Attributes
    ----------
    words : ndarray of uint64
        ``struct latencies`` of ``latency.c``, summed over the CPUs.
    """

    words: Words

    @classmethod
    def of_cpus(cls, words: Words) -> LatencyCounts:
        """Sum the counts of all CPUs, shape (CPUs, words)."""
        total = words.sum(axis=0)
        total[_MAX] = words[:, _MAX].max()
        return cls(total)

    def since(self, before: LatencyCounts) -> LatencyCounts:
        """Return the difference to an earlier reading; the maximum is that of the whole trace."""
        words = self.words - before.words
        words[_MAX] = self.words[_MAX]
        return LatencyCounts(words)

    def counter(self, name: str) -> int:
        """Return one of the counters of ``struct latencies``."""
        return int(self.words[COUNTERS.index(name)])

    @property
    def calls(self) -> int:
        """Number of calls that were timed."""
        return self.counter("returned")

    @property
    def in_flight(self) -> int:
        """Number of calls that have not returned yet."""
        ended = ("returned", "lost", "overwritten", "unreturned")
        return max(self.counter("entered") - sum(map(self.counter, ended)), 0)

    @property
    def unreturned(self) -> int:
        """Number of calls that have ended, and whose return was not seen."""
        return self.counter("unreturned") + self.counter("outer_unreturned")

    @property
    def average_ns(self) -> float | None:
        """Mean of all calls; None without a call."""
        return self.counter("total_ns") / self.calls if self.calls else None

    def average_of_fastest_ns(self, share: float) -> float | None:
        """Return the mean of a share of the calls, 0..1, without the slowest ones.

        An interrupt in one call of a thousand can double the mean of all.  What is left out is
        known by its slot only, to 3.2 %.
        """
        if not self.calls:
            return None
        slowest = left = self.calls - max(round(share * self.calls), 1)
        total = self.counter("total_ns")
        for slot in np.flatnonzero(self.slots)[::-1]:
            calls = min(left, int(self.slots[slot]))
            total -= round(calls * sum(slot_bounds(int(slot))) / 2)
            left -= calls
        return max(total, 0) / (self.calls - slowest)

    @property
    def slots(self) -> Words:
        """Calls per slot; a slot is a sixteenth of a power of two."""
        start = len(COUNTERS)
        return self.words[start : start + SLOTS]

    def percentile_ns(self, share: float) -> float | None:
        """Return the latency that a share of the calls, 0..1, does not exceed.

        It is the middle of a slot, which is within 3.2 % of the true value (exact below 16 ns).
        """
        slots = self.slots
        if not slots.any():
            return None
        reached = np.cumsum(slots) >= max(share * slots.sum(), 1)
        low, high = slot_bounds(int(np.argmax(reached)))
        return min((low + high) / 2, self.counter("max_ns"))

    def rows(self, scale: Scale) -> list[Row]:
        """Return the rows of the histogram, from zero to the last row with calls."""
        if scale.linear_width is not None:
            counts = self.words[len(COUNTERS) + SLOTS :]
            return _linear_rows(counts, scale.linear_width)
        if scale.unit_ns > 1:
            counts = self.words[len(COUNTERS) + SLOTS :]
        else:
            counts = _powers_of_two(self.slots)
        last = _last(counts)
        return [
            Row(0 if power == 0 else 1 << power, (2 << power) - 1, int(counts[power]))
            for power in range(last + 1)
        ]


def slot_bounds(slot: int) -> tuple[int, int]:
    """Return the least and the greatest number of ns in a slot."""
    if slot < 16:
        return slot, slot
    exponent, part = (slot >> 4) + 3, slot & 15
    width = 1 << (exponent - 4)
    low = (16 + part) * width
    return low, low + width - 1


def _powers_of_two(slots: Words) -> Words:
    rows = np.zeros(64, dtype=np.uint64)
    # 0 and 1 share a row, as in bcc's tools; slots 2..15 are exact values.
    powers = [max(slot_bounds(slot)[0].bit_length() - 1, 0) for slot in range(SLOTS)]
    np.add.at(rows, np.minimum(powers, 63), slots)
    return rows


def _linear_rows(counts: Words, width: int) -> list[Row]:
    last = _last(counts)
    return [
        Row(index * width, None if index == ROWS - 1 else (index + 1) * width - 1, int(count))
        for index, count in enumerate(counts[: last + 1])
    ]


def _last(counts: Words) -> int:
    nonzero = np.flatnonzero(counts)
    return int(nonzero[-1]) if nonzero.size else -1
