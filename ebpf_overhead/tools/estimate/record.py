"""An estimate as JSON; shares are of one core, 0..1."""

from __future__ import annotations

from dataclasses import dataclass

from ebpf_overhead.report.record import Count, Head, Record, Unit, to_record
from ebpf_overhead.tools.estimate.answer import (
    Alternative,
    Budget,
    Estimate,
    PlaceRate,
    Share,
)
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.funclatency.record import Observation


@dataclass(frozen=True, kw_only=True)
class PlaceRow(EventCost):
    """An attach point with its rate, and the share of a probe on it.

    Attributes
    ----------
    kind, name : str
        The attach point.
    counted_by : str
        The hook that counted.
    events : int
        Number of events.
    events_per_second, peak_events_per_second : float
        Rate on average, and in the busiest second.
    core_share : Share or None
        Share of the probe.
    compat_events : int or None
        Calls by 32-bit programs, which are none of the events.
    """

    kind: str
    name: str
    counted_by: str
    events: Count
    events_per_second: float
    peak_events_per_second: float
    core_share: Share | None
    compat_events: int | None = None


@dataclass(frozen=True, kw_only=True)
class AlternativeRow(EventCost):
    """Another possible attach type.

    Attributes
    ----------
    core_share, bystanders_core_share, total_core_share : Share or None
        Share of the probe, share that other system calls would pay, and the sum.
    """

    core_share: Share | None
    bystanders_core_share: Share | None
    total_core_share: Share | None


@dataclass(frozen=True, kw_only=True)
class LatencyRow:
    """Latency of calls at the busiest attach point.

    Attributes
    ----------
    place : str
        The attach point.
    calls : int
        Number of calls that were seen.
    average, average_corrected : float or None
        The average, with and without the tracer's own cost.
    """

    place: str
    calls: Count
    average: float | None
    average_corrected: float | None


@dataclass(frozen=True, kw_only=True)
class EstimateRecord(Head):
    """A record of ``estimate``.

    Attributes
    ----------
    kernel : str
        The running kernel.
    cpus : int
        Number of CPUs.
    unit : str
        Unit of all overheads and latencies.
    seconds : float
        Duration of the counting.
    ended_by : str
        What ended it.
    events_per_second, peak_events_per_second : float
        Rate of all attach points, on average and in the busiest second.
    places : list of PlaceRow
        The attach points that were counted.
    refused : dict of str to str
        Attach points that could not be counted, and why.
    core_share, peak_core_share : Share or None
        Share of the probes, on average and in the most expensive second.
    bystanders_core_share : Share or None
        Share that other system calls would pay.
    total_core_share : Share or None
        Both shares.
    machine_share : Share or None
        The total as a share of all CPUs.
    counting_core_share : Share or None
        Share that the counting used.
    latency : LatencyRow or None
        Latency of calls at the busiest attach point.
    added_latency : float or None
        Overhead of the probe as a share of that latency.
    alternatives : list of AlternativeRow
        Other possible attach types.
    budget : Budget or None
        The given limit, and whether the probes are within it.
    limit : str
        A limit of the method.
    emulated_core : bool or None
        Whether shares are of an emulated core, which executes an instruction per ns.
    notes : list of str or None
        What else is to be known.
    """

    study: str = "estimate"
    kernel: str
    cpus: Count
    unit: Unit
    seconds: float
    ended_by: str
    events_per_second: float
    peak_events_per_second: float
    places: list[PlaceRow]
    refused: dict[str, str]
    core_share: Share | None
    peak_core_share: Share | None
    bystanders_core_share: Share | None
    total_core_share: Share | None
    machine_share: Share | None
    counting_core_share: Share | None
    latency: LatencyRow | None
    added_latency: float | None
    alternatives: list[AlternativeRow]
    budget: Budget | None
    limit: str
    emulated_core: bool | None = None
    notes: list[str] | None = None


def make_record(answer: Estimate, unit: Unit, release: str) -> Record:
    """Return the record of an estimate.

    Parameters
    ----------
    answer : Estimate
        The estimate.
    unit : str
        ``ns`` or ``instructions``: unit of all overheads and latencies.
    release : str
        The running kernel.
    """
    record = EstimateRecord(
        kernel=answer.kernel or release,
        cpus=answer.cpus,
        unit=unit,
        seconds=round(answer.seconds, 6),
        ended_by=answer.ended_by,
        events_per_second=answer.mean,
        peak_events_per_second=answer.peak,
        places=[_place(rate) for rate in answer.rates],
        refused={str(place): why for place, why in answer.refused.items()},
        core_share=answer.share,
        peak_core_share=answer.peak_share,
        bystanders_core_share=answer.bystanders,
        total_core_share=answer.total,
        machine_share=None if answer.total is None else answer.total / answer.cpus,
        counting_core_share=answer.counting,
        latency=None if answer.latency is None else _latency(answer.latency),
        added_latency=answer.added_latency,
        alternatives=[_alternative(each) for each in answer.alternatives],
        budget=answer.budget,
        limit=answer.limit,
        emulated_core=unit != "ns" or None,
        notes=answer.notes or None,
    )
    return to_record(record)


def _latency(seen: Observation) -> LatencyRow:
    return LatencyRow(
        place=seen.target,
        calls=seen.seen.calls,
        average=seen.seen.average_ns,
        average_corrected=seen.corrected_ns,
    )


def _place(rate: PlaceRate) -> PlaceRow:
    return PlaceRow(
        **vars(rate.cost),
        kind=rate.place.kind,
        name=rate.place.name,
        counted_by=rate.counted_by,
        events=rate.events,
        events_per_second=rate.mean,
        peak_events_per_second=rate.peak,
        core_share=rate.share,
        compat_events=rate.compat_events,
    )


def _alternative(each: Alternative) -> AlternativeRow:
    return AlternativeRow(
        **vars(each.cost),
        core_share=each.share,
        bystanders_core_share=each.bystanders,
        total_core_share=each.total,
    )
