"""Observing a function for a time: choose the way in, know its cost, attach, read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.own_cost import own_cost
from ebpf_overhead.latency.record import Observation
from ebpf_overhead.latency.trace import choose_way, compiled_tracer, read, traced
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.waiting import Watch


def observe(
    target: str,
    filters: Filters,
    scale: Scale,
    watch: Watch,
    via: str | None = None,
    step_s: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Observation]:
    """Trace a function and yield what was seen, every ``step_s`` and at the end.

    Parameters
    ----------
    target : str
        What to trace; see :func:`ebpf_overhead.latency.ways.ways_in`.
    filters : Filters
        Whose calls count.
    scale : Scale
        Units and rows of the histogram.
    watch : Watch
        What ends the trace.
    via : str, optional
        Kind of way in; the first that works by default.
    step_s : float, optional
        Seconds between observations; one at the end by default.
    say : callable, optional
        Told in a line what goes on.

    Raises
    ------
    OverheadError
        The target cannot be traced; nothing stays attached.
    """
    compiled = compiled_tracer(filters, scale)
    way = choose_way(compiled, target, via)
    cost = own_cost(way, filters, scale, Store(), say)
    before, at = read(compiled), 0.0
    with watch, traced(compiled, way) as trace:
        say(f"Tracing {target} via {way.kind} ({way.entry.name})... Hit Ctrl-C to end.")
        for now in watch.ticks(step_s):
            seen = trace.read()
            yield Observation(
                target=target,
                way=way,
                filters=filters,
                scale=scale,
                seconds=now - at,
                ended_by=watch.ended_by,
                seen=seen.since(before),
                missed=trace.missed(),
                cost=cost,
            )
            before, at = seen, now
