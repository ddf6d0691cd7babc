"""What many CPUs calling at once gives: medians, points, and the whole of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.stats import Interval, Quartiles


class Half(NamedTuple):
    """Medians of a few windows with so many CPUs, either probed or not.

    Attributes
    ----------
    per_call_ns : float
        What a call takes, averaged over the CPUs.
    calls_per_s : float
        What all CPUs do together.
    """

    per_call_ns: float
    calls_per_s: float


@dataclass(frozen=True)
class Point:
    """What was found for a number of CPUs.

    Attributes
    ----------
    cpus : tuple of int
        Which they were.
    baseline, probed : Quartiles
        Time of a call on each CPU, in ns.
    overhead : Interval
        Probed minus baseline, in ns per call.
    baseline_throughput, throughput : Interval
        Calls per second of all CPUs together.
    baseline_efficiency, efficiency : Interval
        Throughput as a share of what as many CPUs would do if each did as one alone does.
    """

    cpus: tuple[int, ...]
    baseline: Quartiles
    probed: Quartiles
    overhead: Interval
    baseline_throughput: Interval
    throughput: Interval
    baseline_efficiency: Interval
    efficiency: Interval


@dataclass(frozen=True)
class Scaling(Outcome):
    """One case on ever more CPUs, or the reason why not: see `Outcome`.

    Attributes
    ----------
    hook : str or None
        What the program was attached to.
    hits : Hits or None
        Runs counted before and after measuring, on all CPUs at once.
    lost_updates : int or None
        Updates or records that found no room; None for a program that has no such counter.
    rounds : int
        Rounds measured.
    discarded_rounds : int
        Rounds besides that lost something and do not count: what is lost costs less.
    points : tuple of Point
        One a number of CPUs.
    """

    hook: str | None = None
    hits: Hits | None = None
    lost_updates: int | None = None
    rounds: int = 0
    discarded_rounds: int = 0
    points: tuple[Point, ...] = ()
