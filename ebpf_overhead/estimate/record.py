"""An estimate as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.estimate.answer import LIMIT, Alternative, Estimate, PlaceRate, Share
from ebpf_overhead.estimate.costs import Cost

SCHEMA_VERSION = 1


def make_record(answer: Estimate, unit: str, release: str) -> dict[str, Any]:
    """Return an estimate's record.

    Parameters
    ----------
    answer : Estimate
        The answer.
    unit : str
        ``ns`` or ``instructions``, of every overhead and latency; shares are of one core,
        0..1.
    release : str
        The running kernel.
    """
    latency = answer.latency
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "tool": "estimate",
        "kernel": release,
        "cpus": answer.cpus,
        "unit": unit,
        "seconds": round(answer.seconds, 6),
        "ended_by": answer.ended_by,
        "events_per_second": answer.mean,
        "peak_events_per_second": answer.peak,
        "places": [_place(rate) for rate in answer.rates],
        "refused": {str(place): why for place, why in answer.refused.items()},
        "core_share": _share(answer.share),
        "peak_core_share": _share(answer.peak_share),
        "bystanders_core_share": _share(answer.bystanders),
        "total_core_share": _share(answer.total),
        "machine_share": _share(answer.total, answer.cpus),
        "counting_core_share": _share(answer.counting),
        "latency": None
        if latency is None
        else {
            "place": latency.target,
            "calls": latency.seen.calls,
            "average": latency.seen.average_ns,
            "average_corrected": latency.corrected_ns,
        },
        "added_latency": answer.added_latency,
        "alternatives": [_alternative(each) for each in answer.alternatives],
        "budget": None if answer.budget is None else asdict(answer.budget),
        "limit": LIMIT,
    }


def _place(rate: PlaceRate) -> dict[str, Any]:
    return {
        "kind": rate.place.kind,
        "name": rate.place.name,
        "counted_by": rate.counted_by,
        "events": rate.events,
        "events_per_second": rate.mean,
        "peak_events_per_second": rate.peak,
        "core_share": _share(rate.share),
        **_cost(rate.cost),
    }


def _alternative(each: Alternative) -> dict[str, Any]:
    return {
        **_cost(each.cost),
        "core_share": _share(each.share),
        "bystanders_core_share": _share(each.bystanders),
        "total_core_share": _share(each.total),
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "attach": cost.attach,
        "program": cost.program,
        "status": cost.status,
        "reason": cost.reason,
        "origin": cost.origin,
        "overhead": None if cost.overhead is None else asdict(cost.overhead),
    }


def _share(share: Share | None, cpus: int = 1) -> dict[str, float] | None:
    if share is None:
        return None
    return {name: value / cpus for name, value in asdict(share).items()}
