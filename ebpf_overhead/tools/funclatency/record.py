"""The record of a ``funclatency`` run, for JSON and for people."""

from __future__ import annotations

from dataclasses import dataclass

from ebpf_overhead.report.record import Count, Head, Record, Unit, to_record
from ebpf_overhead.tools.funclatency.histogram import LatencyCounts, Row, Scale
from ebpf_overhead.tools.funclatency.hook_pairs import HookPair
from ebpf_overhead.tools.funclatency.own_cost import OwnCost
from ebpf_overhead.tools.tracers.filters import Filters

PERCENTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Observation:
    """What was observed in some time.

    Attributes
    ----------
    target : str
        What was traced.
    pair : HookPair
        The pair of hooks.
    filters : Filters
        Which calls counted.
    scale : Scale
        Units and rows.
    seconds : float
        How long it was traced.
    ended_by : str
        ``time``, ``interrupt`` or ``exit``.
    seen : LatencyCounts
        The counts.
    missed : int or None
        Runs of the two programs that the kernel skipped.
    cost : OwnCost
        The tracer's own cost.
    """

    target: str
    pair: HookPair
    filters: Filters
    scale: Scale
    seconds: float
    ended_by: str
    seen: LatencyCounts
    missed: int | None
    cost: OwnCost

    @property
    def corrected_ns(self) -> float | None:
        """Average without the tracer's own cost; never below zero."""
        average = self.seen.average_ns
        return None if average is None else max(average - self.cost.inside.estimate, 0.0)


@dataclass(frozen=True, kw_only=True)
class FiltersRow:
    """Which calls counted; null is no condition.

    Attributes
    ----------
    pid : int or None
        A process.
    cgroup : str or None
        A cgroup with the cgroups below it.
    comm : str or None
        Tasks with this command name.
    """

    pid: int | None
    cgroup: str | None
    comm: str | None


@dataclass(frozen=True, kw_only=True)
class LatencyRecord(Head):
    """A record of ``funclatency``.

    Attributes
    ----------
    target : str
        What was traced.
    via : str
        Kind of the pair of hooks.
    entry, exit : str
        The hooks.
    filters : FiltersRow
        Which calls counted.
    seconds : float
        How long it was traced.
    ended_by : str
        What ended it.
    unit : str
        Unit of all times except the histogram's bounds, which are in ``histogram_unit``.
    calls : int
        Calls that were timed.
    calls_per_second : float or None
        Timed calls per second.
    total : int
        Time of all timed calls.
    average, average_corrected : float or None
        The average, with and without the tracer's own cost.
    maximum : int or None
        The longest call.
    percentiles : dict of str to float or None
        Percentiles by their number.
    own_cost : OwnCost
        The tracer's own cost.
    entered : int
        Calls that were seen at entry.
    in_flight : int
        Calls that had not returned at the end.
    unmatched : int
        Returns of calls whose entry was not seen.
    overwritten : int
        Outer calls of a recursion, of which only the innermost call is timed: they were entered
        again before they returned.
    unreturned : int or None
        Calls that ended, and whose return the hook did not see.
    lost : int
        Calls lost because there were too many threads at once.
    missed : int or None
        Runs of the two programs that the kernel skipped.
    histogram_unit : str
        Unit of the histogram's bounds.
    histogram : list of Row
        Calls by their time.
    """

    study: str = "funclatency"
    target: str
    via: str
    entry: str
    exit: str
    filters: FiltersRow
    seconds: float
    ended_by: str
    unit: Unit
    calls: Count
    calls_per_second: float | None
    total: Count
    average: float | None
    average_corrected: float | None
    maximum: int | None
    percentiles: dict[str, float | None]
    own_cost: OwnCost
    entered: Count
    in_flight: int
    unmatched: Count
    overwritten: Count
    lost: Count
    missed: int | None
    histogram_unit: str
    histogram: list[Row]
    unreturned: int | None = None


def make_record(seen: Observation, unit: Unit) -> Record:
    """Return the record of an observation.

    Parameters
    ----------
    seen : Observation
        The observation.
    unit : str
        ``ns`` or ``instructions``: unit of all times except the histogram's bounds, which are
        in ``histogram_unit``.
    """
    counts = seen.seen
    record = LatencyRecord(
        target=seen.target,
        via=seen.pair.kind,
        entry=str(seen.pair.entry),
        exit=str(seen.pair.exit),
        filters=_filters(seen.filters),
        seconds=round(seen.seconds, 6),
        ended_by=seen.ended_by,
        unit=unit,
        calls=counts.calls,
        calls_per_second=counts.calls / seen.seconds if seen.seconds else None,
        total=counts.counter("total_ns"),
        average=counts.average_ns,
        average_corrected=seen.corrected_ns,
        maximum=counts.counter("max_ns") if counts.calls else None,
        percentiles={f"{100 * share:g}": counts.percentile_ns(share) for share in PERCENTILES},
        own_cost=seen.cost,
        entered=counts.counter("entered"),
        in_flight=counts.in_flight,
        unmatched=counts.counter("unmatched"),
        overwritten=counts.counter("overwritten"),
        lost=counts.counter("lost"),
        missed=seen.missed,
        histogram_unit=seen.scale.unit,
        histogram=counts.rows(seen.scale),
        unreturned=counts.unreturned,
    )
    return to_record(record)


def _filters(filters: Filters) -> FiltersRow:
    cgroup = None if filters.cgroup is None else str(filters.cgroup)
    return FiltersRow(pid=filters.pid, cgroup=cgroup, comm=filters.command)
