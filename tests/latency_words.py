"""Readings of the latency tracer, made up."""

from __future__ import annotations

import numpy as np

from ebpf_overhead.tools.funclatency.histogram import (
    COUNTERS,
    ROWS,
    SLOTS,
    LatencyCounts,
    slot_bounds,
)

FIRST_SLOT = len(COUNTERS)


def slot_of(ns: int) -> int:
    """Which slot a latency falls into."""
    return next(slot for slot in range(SLOTS) if slot_bounds(slot)[1] >= ns)


def cpu_words(latencies_ns=(), rows=(), **counters) -> np.ndarray:
    """What one CPU counted."""
    words = np.zeros(FIRST_SLOT + SLOTS + ROWS, dtype=np.uint64)
    made = {
        "entered": len(latencies_ns),
        "returned": len(latencies_ns),
        "total_ns": sum(latencies_ns),
        "max_ns": max(latencies_ns, default=0),
    }
    for name, value in {**made, **counters}.items():
        words[COUNTERS.index(name)] = value
    for ns in latencies_ns:
        words[FIRST_SLOT + slot_of(ns)] += np.uint64(1)
    for index, count in rows:
        words[FIRST_SLOT + SLOTS + index] = count
    return words


def latencies(*args, **counters) -> LatencyCounts:
    """A reading of a machine with one CPU."""
    return LatencyCounts.of_cpus(np.array([cpu_words(*args, **counters)]))
