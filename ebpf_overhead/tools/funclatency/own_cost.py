"""The tracer's own cost per call, and the part of it that its latencies include."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.first_instruction import NOP, NOP5, STEPPED, first_instruction
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.paired import paired_difference
from ebpf_overhead.measure.stats import Interval, interval
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.hook_pairs import (
    AT_RETURNS,
    HookPair,
    in_user_space,
    pairs_on,
    user_pair,
)
from ebpf_overhead.tools.funclatency.trace import Trace, compiled_tracer, open_pair, read
from ebpf_overhead.tools.tracers.filters import Filters, cgroup_root
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID

_TIME_S = 1.5
# Of the calls of a half; the others are those that interrupts fell into.
_UNDISTURBED = 0.98
# Its first instruction is single-stepped, and is not the one that returns.
_STEPPED_BEFORE_RETURN = "function_test"


@dataclass(frozen=True)
class OwnCost:
    """The tracer's own cost per call, ns (or instructions).

    Attributes
    ----------
    per_call : Interval
        Overhead of both hooks.
    inside : Interval
        Latency that the tracer reports for an operation that does nearly nothing (getpid, or an
        empty function).  That is the part of its cost between its two readings of the clock,
        plus a few ns of the operation.
    """

    per_call: Interval
    inside: Interval


def own_cost(
    pair: HookPair,
    filters: Filters,
    scale: Scale,
    store: Store,
    say: Callable[[str], None] = lambda line: None,
) -> OwnCost:
    """Return the tracer's cost on this kernel, stored or measured now.

    It is measured on getpid with the same kinds of hooks and filters; for uprobes on a function
    that does nothing and begins with the same kind of instruction.

    Parameters
    ----------
    pair : HookPair
        The hooks that are used.
    filters : Filters
        The filters that are used.
    scale : Scale
        The histogram that is shown.
    store : Store
        Stored results of this kernel.
    say : callable, optional
        Called with one line before measuring.
    """
    rows = "rows" if scale.definitions() else "slots"
    workload = _workload_like(pair)
    named = [] if workload in (GETPID.name, NOP.workload) else [workload]
    key = "/".join(["funclatency", pair.kind, rows, *filters.kinds, *named])
    per_call, inside = store.get(f"{key}/per_call"), store.get(f"{key}/inside")
    if per_call is None or inside is None:
        say(f"Measuring the cost of {pair.kind} here first; it is stored for this kernel.")
        per_call, inside = _measure(pair.kind, workload, filters, scale)
        store.put({f"{key}/per_call": per_call, f"{key}/inside": inside})
    return OwnCost(per_call, inside)


def _workload_like(pair: HookPair) -> str:
    """Return the workload on which a pair of hooks costs what it costs here."""
    if not in_user_space(pair.kind):
        return GETPID.name
    first = first_instruction(pair.entry.point)
    if pair.kind == AT_RETURNS and first is STEPPED:
        return _STEPPED_BEFORE_RETURN
    return first.workload or NOP5.workload


def _measure(kind: str, target: str, filters: Filters, scale: Scale) -> tuple[Interval, Interval]:
    compiled = compiled_tracer(_own(filters), scale)
    pair = _subject(compiled, kind, target)
    trace: list[Trace] = []
    averages: list[float] = []
    seen = read(compiled)

    def switch(on: bool) -> None:
        if on:
            trace.append(open_pair(compiled, pair))
        while trace and not on:
            trace.pop().close()

    def note_average() -> None:
        nonlocal seen
        now = read(compiled)
        average = now.since(seen).average_of_fastest_ns(_UNDISTURBED)
        seen = now
        if average is not None:
            averages.append(average)

    per_call = paired_difference(target, switch, _TIME_S, after_probed=note_average)
    return per_call, interval(averages[1:])  # the first one is of the calibration


def _own(filters: Filters) -> Filters:
    """Return filters of the same kinds that let this process through."""
    return Filters(
        # Without any filter, calls of other processes would count.
        pid=os.getpid() if filters.pid is not None or not filters.kinds else None,
        cgroup=None if filters.cgroup is None else cgroup_root(filters.cgroup)[0],
        command=None if filters.command is None else Path("/proc/self/comm").read_text().strip(),
    )


def _subject(compiled: CompiledProgram, kind: str, workload: str) -> HookPair:
    """Return the hooks of a kind on a workload."""
    if in_user_space(kind):
        path, symbol, offset_bytes = _workload.workload_symbol(workload)
        return user_pair(kind, AttachPoint(symbol, offset_bytes, path))
    reason: OverheadError | None = None
    for pair in pairs_on(f"syscall:{GETPID.syscall}"):
        if pair.kind == kind:
            try:
                open_pair(compiled, pair).close()
                return pair
            except OverheadError as error:
                reason = reason or error
    assert reason is not None
    raise reason
