"""The record of what load, attach and detach take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.stats import Interval, interval, median_interval
from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.studies.attach_latency.run import Latencies, Timings, why_no_gaps
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
    """

    elapsed_ns: Interval
    cpu: Interval
    samples: Timings
    gap_ns: Gap | None = None


@dataclass(frozen=True)
class Operations:
    """What each operation took."""

    load: Operation
    attach: Operation
    detach: Operation
    reattach: Operation


@dataclass(frozen=True, kw_only=True)
class AskedLatency(record.Asked):
    """What a case was.

    Attributes
    ----------
    clock : str
        The machine's clock.
    cpu_unit : str
        What CPU time is in.
    """

    clock: Literal["wall", "icount"]
    cpu_unit: record.Unit


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


ROWS = (MeasuredLatency, UnmeasuredLatency)


def make_record(results: Iterable[Latencies], rounds: int) -> record.Record:
    """Return the record of a run of so many rounds."""
    head = LatencyHead(
        study="attach-latency", phases_s=spent(), rounds=rounds, no_gaps=why_no_gaps()
    )
    return record.make(head, map(_row, results))


def _row(result: Latencies) -> MeasuredLatency | UnmeasuredLatency:
    measured_by = clock.current()
    asked = {**record.outcome(result), "clock": measured_by.name, "cpu_unit": measured_by.unit}
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
        elapsed_ns=median_interval(timings.elapsed_ns),
        cpu=median_interval(timings.cpu),
        samples=timings,
        gap_ns=_gap(timings) if timings.gaps_ns else None,
    )


def _gap(timings: Timings) -> Gap:
    more = [a - b for a, b in zip(timings.gaps_ns, timings.control_ns, strict=True)]
    return Gap(
        max(timings.gaps_ns),
        max(timings.control_ns),
        median_interval(timings.gaps_ns).estimate,
        median_interval(timings.control_ns).estimate,
        interval(more),
    )
