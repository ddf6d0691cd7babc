"""The record of a ``funclatency`` run, for JSON and for people."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.latency.histogram import Latencies, Scale
from ebpf_overhead.latency.own_cost import OwnCost
from ebpf_overhead.latency.ways import Way
from ebpf_overhead.tracers.filters import Filters

SCHEMA_VERSION = 1
PERCENTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Observation:
    """One observed stretch of time.

    Attributes
    ----------
    target : str
        What was traced.
    way : Way
        The pair of hooks.
    filters : Filters
        Whose calls counted.
    scale : Scale
        Units and rows.
    seconds : float
        How long it was traced.
    ended_by : str
        ``time``, ``interrupt`` or ``exit``.
    seen : Latencies
        The counts.
    missed : int or None
        Runs of the two programs the kernel left out.
    cost : OwnCost
        The tracer's own.
    """

    target: str
    way: Way
    filters: Filters
    scale: Scale
    seconds: float
    ended_by: str
    seen: Latencies
    missed: int | None
    cost: OwnCost

    @property
    def corrected_ns(self) -> float | None:
        """Average without the tracer's own cost; never below zero."""
        average = self.seen.average_ns
        return None if average is None else max(average - self.cost.inside.estimate, 0.0)


def make_record(seen: Observation, unit: str) -> dict[str, Any]:
    """Return an observation as JSON will have it.

    Parameters
    ----------
    seen : Observation
        What was observed.
    unit : str
        ``ns`` or ``instructions``: the unit of every time but the histogram's bounds,
        which are in ``histogram_unit``.
    """
    counts = seen.seen
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "tool": "funclatency",
        "target": seen.target,
        "via": seen.way.kind,
        "entry": str(seen.way.entry),
        "exit": str(seen.way.exit),
        "filters": {
            "pid": seen.filters.pid,
            "cgroup": None if seen.filters.cgroup is None else str(seen.filters.cgroup),
            "comm": seen.filters.command,
        },
        "seconds": round(seen.seconds, 6),
        "ended_by": seen.ended_by,
        "unit": unit,
        "calls": counts.calls,
        "calls_per_second": counts.calls / seen.seconds if seen.seconds else None,
        "total": counts.counter("total_ns"),
        "average": counts.average_ns,
        "average_corrected": seen.corrected_ns,
        "maximum": counts.counter("max_ns") if counts.calls else None,
        "percentiles": {f"{100 * share:g}": counts.percentile_ns(share) for share in PERCENTILES},
        "own_cost": {
            "per_call": dataclasses.asdict(seen.cost.per_call),
            "inside": dataclasses.asdict(seen.cost.inside),
        },
        "entered": counts.counter("entered"),
        "in_flight": counts.in_flight,
        "unmatched": counts.counter("unmatched"),
        "overwritten": counts.counter("overwritten"),
        "lost": counts.counter("lost"),
        "missed": seen.missed,
        "histogram_unit": seen.scale.unit,
        "histogram": [row._asdict() for row in counts.rows(seen.scale)],
    }
