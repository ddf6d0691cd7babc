"""What the tracer itself costs a call, and how much of that is inside what it reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead import _workload
from ebpf_overhead.cases import GETPID
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.trace import Trace, compiled_tracer, open_way, read
from ebpf_overhead.latency.ways import Way, ways_in
from ebpf_overhead.paired import paired_difference
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.stats import Interval, interval
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers.filters import Filters, cgroup_root

_TIME_S = 1.5


@dataclass(frozen=True)
class OwnCost:
    """The tracer's own cost per call, ns (or instructions).

    Attributes
    ----------
    per_call : Interval
        What a call pays for being traced, both hooks together.
    inside : Interval
        What the tracer reports for an operation that does next to nothing (getpid, or an
        empty function): the part of its cost that lies between its two readings of the
        clock, and that operation's own few ns.
    """

    per_call: Interval
    inside: Interval


def own_cost(
    way: Way,
    filters: Filters,
    scale: Scale,
    store: Store,
    say: Callable[[str], None] = lambda line: None,
) -> OwnCost:
    """Return the tracer's cost on this kernel, stored or measured now.

    It is measured on getpid (on an empty function for uprobes) with the same kind of
    hooks and the same kinds of filters.

    Parameters
    ----------
    way : Way
        The way in that is used.
    filters : Filters
        The filters that are used.
    scale : Scale
        The histogram that is shown.
    store : Store
        Results of this kernel.
    say : callable, optional
        Told in a line that it takes a moment.
    """
    rows = "rows" if scale.definitions() else "slots"
    key = "/".join(["funclatency", way.kind, rows, *filters.kinds])
    per_call, inside = store.get(f"{key}/per_call"), store.get(f"{key}/inside")
    if per_call is None or inside is None:
        say(f"Measuring first what {way.kind} cost here; it is remembered for this kernel.")
        per_call, inside = _measure(way.kind, filters, scale)
        store.put({f"{key}/per_call": per_call, f"{key}/inside": inside})
    return OwnCost(per_call, inside)


def _measure(kind: str, filters: Filters, scale: Scale) -> tuple[Interval, Interval]:
    compiled = compiled_tracer(_own(filters), scale)
    target, way = _subject(compiled, kind)
    trace: list[Trace] = []
    averages: list[float] = []
    seen = read(compiled)

    def switch(on: bool) -> None:
        if on:
            trace.append(open_way(compiled, way))
        else:
            trace.pop().close()

    def note_average() -> None:
        nonlocal seen
        now = read(compiled)
        average = now.since(seen).average_ns
        seen = now
        if average is not None:
            averages.append(average)

    per_call = paired_difference(target, switch, _TIME_S, after_probed=note_average)
    return per_call, interval(averages[1:])  # the first one is calibration's


def _own(filters: Filters) -> Filters:
    """Return filters of the same kinds that let this process through."""
    return Filters(
        # Without any filter other processes' calls would be counted in.
        pid=os.getpid() if filters.pid is not None or not filters.kinds else None,
        cgroup=None if filters.cgroup is None else cgroup_root(filters.cgroup)[0],
        command=None if filters.command is None else Path("/proc/self/comm").read_text().strip(),
    )


def _subject(compiled: CompiledProgram, kind: str) -> tuple[str, Way]:
    """Return a target of the timed loop and the way of a kind to it."""
    if kind == "uprobe/uretprobe":
        path, symbol, _ = _workload.target_symbol()
        return "function", ways_in(f"{path}:{symbol}")[0]
    reason: OverheadError | None = None
    for way in ways_in(f"syscall:{GETPID.syscall}"):
        if way.kind == kind:
            try:
                open_way(compiled, way).close()
                return GETPID.name, way
            except OverheadError as error:
                reason = reason or error
    assert reason is not None
    raise reason
