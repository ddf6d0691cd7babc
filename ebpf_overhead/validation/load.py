"""A steady load: so many calls of a target a second, in batches, asleep in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ebpf_overhead import _workload

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Pace:
    """How often a load calls.

    Attributes
    ----------
    calls_per_s : int
        Calls of the target a second.
    batch : int
        Calls one directly after the other, each time it wakes up.
    """

    calls_per_s: int = 100_000
    batch: int = 1_000

    @property
    def period_ns(self) -> int:
        """Time from one batch to the next."""
        return self.batch * _NS_PER_S // self.calls_per_s


class SteadyLoad:
    """Calls a target at a pace, in the calling thread, pinned to a CPU from now on.

    Parameters
    ----------
    target : str
        What is called, one of ``_workload.TARGETS``.
    pace : Pace
        How often.
    cpu : int
        Where.
    by : {"cpu", "calls"}
        What `run` returns: the CPU time of batches, sleep and wake-up included, or the time of
        their calls alone.

    Attributes
    ----------
    batches, late : int
        Batches run, and those that began a whole period too late: the pace was not kept.
    """

    def __init__(self, target: str, pace: Pace, cpu: int, by: str = "cpu") -> None:
        self._target = target
        self._pace = pace
        self._by = by
        self._next_ns = 0
        self.batches = self.late = 0
        os.sched_setaffinity(0, {cpu})

    def run_until(self, done: Callable[[], bool]) -> None:
        """Call until something is done, asked after each batch."""
        self._next_ns = time.monotonic_ns()
        while not done():
            self._batch(self._pace.batch)

    def run(
        self, target: str, calls: int, windows: int = 1, cpu: int | None = None
    ) -> tuple[list[int], int]:
        """Run batches as a sampler has its windows run, and return what each took, in ns.

        Target and CPU are the load's own.
        """
        self._next_ns = time.monotonic_ns()
        readings = [time.thread_time_ns()]
        calls_ns = []
        for _ in range(windows):
            calls_ns.append(self._batch(calls))
            readings.append(time.thread_time_ns())
        cpu_ns = [int(each) for each in np.diff(readings)]
        return cpu_ns if self._by == "cpu" else calls_ns, calls * windows

    def call(self, calls: int) -> None:
        """Call so many times at once, whatever the pace."""
        _workload.run(self._target, calls)

    def _batch(self, calls: int) -> int:
        self._next_ns += self._pace.period_ns
        wait_ns = self._next_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / _NS_PER_S)
        elif wait_ns < -self._pace.period_ns:
            self.late += 1
            self._next_ns = time.monotonic_ns()
        (elapsed_ns,), _ = _workload.run(self._target, calls)
        self.batches += 1
        return elapsed_ns
