"""Observing a function for a time: choose a pair of hooks, find its cost, attach, read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ebpf_overhead.bpf import statistics
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.own_cost import own_cost
from ebpf_overhead.tools.funclatency.record import Observation
from ebpf_overhead.tools.funclatency.trace import choose_pair, compiled_tracer, read, traced
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.tools.tracers.waiting import Watch


def observe(
    target: str,
    filters: Filters,
    scale: Scale,
    watch: Watch,
    via: str | None = None,
    step_s: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Observation]:
    """Trace a function and yield observations, every ``step_s`` and at the end.

    Parameters
    ----------
    target : str
        What to trace: see :func:`ebpf_overhead.tools.funclatency.hook_pairs.pairs_on`.
    filters : Filters
        Which calls count.
    scale : Scale
        Units and rows of the histogram.
    watch : Watch
        What ends the trace.
    via : str, optional
        Kind of hooks; by default the first that works.
    step_s : float, optional
        Seconds between observations; by default there is one at the end.
    say : callable, optional
        Called with one line on the progress.

    Raises
    ------
    OverheadError
        The target cannot be traced; nothing stays attached.
    """
    compiled = compiled_tracer(filters, scale)
    pair = choose_pair(compiled, target, via)
    cost = own_cost(pair, filters, scale, Store(), say)
    if warning := statistics.warning():
        say(f"{warning}; the latencies have that in them, and a stored own cost has not")
    before, at = read(compiled), 0.0
    with watch, traced(compiled, pair) as trace:
        say(f"Tracing {target} via {pair.kind} ({pair.entry.point}); Ctrl-C ends it")
        for now in watch.ticks(step_s):
            seen = trace.read()
            yield Observation(
                target=target,
                pair=pair,
                filters=filters,
                scale=scale,
                seconds=now - at,
                ended_by=watch.ended_by,
                seen=seen.since(before),
                missed=trace.missed(),
                cost=cost,
            )
            before, at = seen, now
