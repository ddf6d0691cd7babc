"""Estimates, made up."""

from __future__ import annotations

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.answer import Alternative, Estimate, PlaceRate, Share
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place

COST = EventCost("kprobe", "simple", Interval(200.0, 190.0, 220.0, 0.99), "stored 2026-11-25")
REFUSED = EventCost("fentry", "simple", None, "measured now", "unsupported", "EPERM at load")


def rate(name="vfs_read", mean=10_000.0, cost=COST) -> PlaceRate:
    return PlaceRate(Place("function", name), f"fentry:{name}", int(mean * 2), mean, mean * 2, cost)


def estimate(*rates, bystanders=None, budget=None, refused=None) -> Estimate:
    rates = list(rates) or [rate()]
    return Estimate(
        seconds=2.0,
        ended_by="time",
        rates=rates,
        peak=sum(each.peak for each in rates),
        peak_share=Share.of(sum(each.peak for each in rates), COST.overhead),
        bystanders=bystanders,
        alternatives=[
            Alternative(COST, Share.of(10_000.0, COST.overhead), None),
            Alternative(REFUSED, None, None),
        ],
        counting=Share(0.001, 0.0009, 0.0011),
        latency=None,
        budget=budget,
        refused=refused or {},
        cpus=4,
    )
