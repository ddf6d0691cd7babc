"""Paced calls: windows of calls at a rate, with a probe and without, in turns.

A CPU that waits, and a reader that sleeps, make calls vary.  So the value of a window is the mean
of its calls, and the median of the differences counts: it is little disturbed by what else the
machine does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ebpf_overhead.measure.stats import Interval, interval, median
from ebpf_overhead.phases import phase
from ebpf_overhead.workload import _workload

# What a call takes at most; while another task has the CPU, it takes longer.
_MOST_NS = 300_000
_NS_PER_S = 1_000_000_000

# Measures a window: the ns per call.
Window = Callable[[], float]


@dataclass(frozen=True)
class Pacing:
    """How often somebody calls, and what they do in between.

    Attributes
    ----------
    per_s : int
        Calls per second; 0 for as fast as it goes.
    sleeps : bool
        Whether the caller sleeps between calls; else it works.
    """

    per_s: int
    sleeps: bool = False

    @property
    def gap_ns(self) -> int:
        """From the beginning of a call to the beginning of the next."""
        return _NS_PER_S // self.per_s if self.per_s else 0


class PacedWindows:
    """Windows of calls at a rate.

    Parameters
    ----------
    workload : str
        What is called, one of ``_workload.WORKLOADS``.
    pacing : Pacing
        How calls follow each other.
    calls : int
        Calls of a window.
    cpu : int or None
        Where they are made; None for where the kernel puts the thread.
    switch : callable
        Attaches the probe (True) or detaches it (False).

    Attributes
    ----------
    left_out : int
        Calls that do not count, as another task had the CPU meanwhile.
    """

    def __init__(
        self,
        workload: str,
        pacing: Pacing,
        calls: int,
        cpu: int | None,
        switch: Callable[[bool], None],
    ) -> None:
        self._workload, self._calls, self._cpu = workload, calls, cpu
        self._pacing = pacing
        self._switch = switch
        self._baselines: list[float] = []
        self._differences: list[float] = []
        self._per_s: list[float] = []
        self.left_out = 0

    def round(
        self, order: random.Random, probed: Callable[[Window], float] = lambda window: window()
    ) -> None:
        """Measure a window with the probe and one without.

        Parameters
        ----------
        order : random.Random
            Says which comes first.
        probed : callable
            Measures the one with the probe.
        """
        found = {}
        first = order.random() < 0.5
        for attached in (first, not first):
            with phase("switch"):
                self._switch(attached)
            found[attached] = probed(self._window) if attached else self._window()
        self._baselines.append(found[False])
        self._differences.append(found[True] - found[False])

    def _window(self) -> float:
        with phase("sample"):
            counted, calls_ns, window_ns = _workload.run_paced(
                self._workload,
                self._calls,
                self._pacing.gap_ns,
                _MOST_NS,
                self._cpu,
                self._pacing.sleeps,
            )
        self._per_s.append(self._calls * _NS_PER_S / window_ns)
        self.left_out += self._calls - counted
        return calls_ns / max(counted, 1)

    @property
    def overhead(self) -> Interval:
        """What the probe adds to a call, in ns."""
        return interval(self._differences)

    @property
    def baseline_ns(self) -> float:
        """A call without the probe, with one reading of the clock."""
        return median(self._baselines)

    @property
    def per_s(self) -> float:
        """Calls per second, as they came out."""
        return median(self._per_s)
