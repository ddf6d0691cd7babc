"""The record of many CPUs calling at once: times in ns, throughput in calls per second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.studies.scaling.result import Point, Scaling


@dataclass(frozen=True, kw_only=True)
class AskedScaling(record.Asked):
    """What a case was.

    Attributes
    ----------
    unit : str
        Of all times, per call.
    """

    unit: Literal["ns"] = "ns"


@dataclass(frozen=True, kw_only=True)
class UnmeasuredScaling(AskedScaling, record.Unmeasured):
    """A program that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredScaling(AskedScaling, record.Measured, record.Counted):
    """A program on ever more CPUs.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    lost_updates : int or None
        Updates or records that found no room; null for a program that has no such counter.
    rounds : int
        Rounds measured.
    discarded_rounds : int
        Rounds besides that lost something and do not count.
    points : list of Point
        One per number of CPUs.
    """

    hook: str
    lost_updates: int | None
    rounds: record.Count
    discarded_rounds: record.Count
    points: tuple[Point, ...]


ROWS = (MeasuredScaling, UnmeasuredScaling)


def make_record(results: Iterable[Scaling]) -> record.Record:
    """Return the record of a run."""
    return record.make(record.Head(study="scaling", phases_s=spent()), map(_row, results))


def _row(result: Scaling) -> MeasuredScaling | UnmeasuredScaling:
    if result.hits is None:
        return UnmeasuredScaling(**record.outcome(result))
    return record.filled(MeasuredScaling, result.hits, result, **record.outcome(result))
