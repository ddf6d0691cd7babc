"""The record of what load, attach and detach take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.stats import (
    CONFIDENCE,
    Interval,
    interval,
    median,
    median_interval,
)
from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.studies.attach_latency.run import Latencies
from ebpf_overhead.studies.attach_latency.stopwatch import Timings, why_no_gaps
from ebpf_overhead.workload import clock


@dataclass(frozen=True, kw_only=True)
class LatencyHead(record.Head):
    """A record of what attaching takes.

    Attributes
    ----------
    rounds : int
        How often each operation was made.
    no_gaps : str or None
        Why nobody called meanwhile; null if somebody did.
    """

    rounds: record.Positive
    no_gaps: str | None


@dataclass(frozen=True)
class Gap:
    """Gaps between two calls during an operation, in ns.

    Attributes
    ----------
    longest, control_longest : int
        The longest of all rounds; the same in as long a time without the operation.
    median, control_median : float
        Median of each round's longest, and the same without the operation.
    more_than_control : Interval
        By how much a round's longest is longer than without the operation.
    """

    longest: float
    control_longest: float
    median: float
    control_median: float
    more_than_control: Interval


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What an operation took.

    Attributes
    ----------
    elapsed_ns : Interval
        Median; under icount by a clock that leaps over waits.
    cpu : Interval
        Median of what of it the attaching thread was on a CPU, in ``cpu_unit``.
    samples : Timings
        Every round.
    gap_ns : Gap, optional
        How long calls stalled meanwhile.
    machine : float, optional
        Median of what all threads were on a CPU meanwhile, in ``cpu_unit``.
    """

    elapsed_ns: Interval
    cpu: Interval
    samples: Timings
    gap_ns: Gap | None = None
    machine: float | None = None


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What each operation took; nothing is attached again at once to many points."""

    load: Operation
    attach: Operation
    detach: Operation
    reattach: Operation | None = None


@dataclass(frozen=True, kw_only=True)
class AskedLatency(record.Asked):
    """What a case was.

    Attributes
    ----------
    clock : str
        The machine's clock.
    cpu_unit : str
        What CPU time is in.
    count : int, optional
        To how many points the program was attached, if many were asked for.
    one_link : bool, optional
        Whether one link kept it attached to all of them.
    """

    clock: Literal["wall", "icount"]
    cpu_unit: record.Unit
    count: record.Positive | None = None
    one_link: bool | None = None


@dataclass(frozen=True, kw_only=True)
class UnmeasuredLatency(AskedLatency, record.Unmeasured):
    """An attach type that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredLatency(AskedLatency, record.Measured, record.Proven):
    """An attach type with what each operation took.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    operations : Operations
        What each took.
    """

    hook: str
    operations: Operations


# So many differences give a 99 % interval.
ROUNDS_MIN = 8

ROWS = (MeasuredLatency, UnmeasuredLatency)


def make_record(results: Iterable[Latencies], rounds: int) -> record.Record:
    """Return the record of a run of so many rounds."""
    head = LatencyHead(
        study="attach-latency", phases_s=spent(), rounds=rounds, no_gaps=why_no_gaps()
    )
    return record.make(head, map(_row, results))


def _row(result: Latencies) -> MeasuredLatency | UnmeasuredLatency:
    measured_by = clock.current()
    asked = {
        **record.outcome(result),
        "clock": measured_by.name,
        "cpu_unit": measured_by.unit,
        "count": result.count,
        "one_link": result.one_link,
    }
    if result.hits is None:
        return UnmeasuredLatency(**asked)
    operations = {name: _operation(each) for name, each in result.timings.items()}
    return MeasuredLatency(
        **asked,
        **record.proven(result.hits),
        hook=result.hook or "",
        operations=Operations(**operations),
    )


def _operation(timings: Timings) -> Operation:
    return Operation(
        elapsed_ns=_middle(timings.elapsed_ns),
        cpu=_middle(timings.cpu),
        samples=timings,
        gap_ns=_gap(timings) if timings.gaps_ns else None,
        machine=None if timings.machine is None else median(timings.machine),
    )


def _middle(samples: Sequence[int]) -> Interval:
    """Return the median with its interval: of few samples their range, by the same sign test."""
    share = 1 - 2 * 0.5 ** len(samples)
    return median_interval(samples, min(share, CONFIDENCE))


def _gap(timings: Timings) -> Gap:
    more = [a - b for a, b in zip(timings.gaps_ns, timings.control_ns, strict=True)]
    return Gap(
        max(timings.gaps_ns),
        max(timings.control_ns),
        median(timings.gaps_ns),
        median(timings.control_ns),
        interval(more) if len(more) >= ROUNDS_MIN else _middle(more),
    )
