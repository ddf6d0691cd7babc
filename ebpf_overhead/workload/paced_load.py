"""A steady load: calls of a workload at a fixed rate, in batches, asleep in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ebpf_overhead.workload import _workload

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Pace:
    """How often a load calls.

    Attributes
    ----------
    calls_per_s : int
        Calls of the workload per second.
    batch : int
        Calls made directly one after another at each wake-up.
    """

    calls_per_s: int = 100_000
    batch: int = 1_000

    @property
    def period_ns(self) -> int:
        """Time from one batch to the next."""
        return self.batch * _NS_PER_S // self.calls_per_s


class SteadyLoad:
    """Calls a workload at a pace, in the calling thread, which stays pinned to a CPU.

    Parameters
    ----------
    workload : str
        One of ``_workload.WORKLOADS``.
    pace : Pace
        Calls per second.
    cpu : int
        The CPU.
    by : {"cpu", "calls"}
        What `run` returns: the CPU time of batches, including sleep and wake-up, or only the
        time of their calls.

    Attributes
    ----------
    batches, late : int
        Number of batches, and of those that began a whole period late: they missed the pace.
    """

    def __init__(self, workload: str, pace: Pace, cpu: int, by: str = "cpu") -> None:
        self._workload = workload
        self._pace = pace
        self._by = by
        self._next_ns = 0
        self.batches = self.late = 0
        os.sched_setaffinity(0, {cpu})

    def run_until(self, done: Callable[[], bool]) -> None:
        """Call until ``done()`` is true, which is checked after each batch."""
        self._next_ns = time.monotonic_ns()
        while not done():
            self._batch(self._pace.batch)

    def run(
        self, workload: str, calls: int, windows: int = 1, cpu: int | None = None
    ) -> tuple[list[int], int]:
        """Run batches in place of a sampler's windows; return the time of each in ns.

        Workload and CPU are those of the load; the arguments are ignored.
        """
        self._next_ns = time.monotonic_ns()
        readings = [time.thread_time_ns()]
        calls_ns = []
        for _ in range(windows):
            calls_ns.append(self._batch(calls))
            readings.append(time.thread_time_ns())
        cpu_ns = [after - before for before, after in pairwise(readings)]
        return cpu_ns if self._by == "cpu" else calls_ns, calls * windows

    def call(self, calls: int) -> None:
        """Call at once, without the pace."""
        _workload.run(self._workload, calls)

    def _batch(self, calls: int) -> int:
        self._next_ns += self._pace.period_ns
        wait_ns = self._next_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / _NS_PER_S)
        elif wait_ns < -self._pace.period_ns:
            self.late += 1
            self._next_ns = time.monotonic_ns()
        (elapsed_ns,), _ = _workload.run(self._workload, calls)
        self.batches += 1
        return elapsed_ns
