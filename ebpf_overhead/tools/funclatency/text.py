"""A ``funclatency`` run for people: the histogram in the form of bcc, and its own cost."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from ebpf_overhead.bpf.maps import possible_cpus
from ebpf_overhead.hooks.attach_type import SYSCALL
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.funclatency.histogram import Row, Scale
from ebpf_overhead.tools.funclatency.hook_pairs import AT_RETURNS, TRACEPOINTS
from ebpf_overhead.tools.funclatency.record import PERCENTILES, Observation

# A line is as wide as a terminal, or wider where numbers need it; a bar as bcc's at most.
_COLUMNS, _BAR_MIN, _BAR_MAX = 80, 10, 40


def histogram_lines(rows: list[Row], scale: Scale) -> Iterator[str]:
    """Yield the lines of a histogram, in bcc's layout."""
    if not rows:
        return
    most = max(row.calls for row in rows)
    width = max(10, len(str(rows[-1].high or rows[-1].low)))
    count = max(8, len(str(most)))
    bar = min(max(_COLUMNS - 2 * width - count - 10, _BAR_MIN), _BAR_MAX)
    yield f"     {scale.unit:<{2 * width - 1}} : {'count':<{count}} distribution"
    for row in rows:
        high = "..." if row.high is None else str(row.high)
        stars = "*" * round(bar * row.calls / most)
        yield f"{row.low:>{width}} -> {high:<{width}} : {row.calls:<{count}} |{stars:<{bar}}|"


def lines(seen: Observation, unit: str, correct: bool) -> Iterator[str]:
    """Yield an observation: histogram, average, percentiles, own cost, and what is missing.

    Parameters
    ----------
    seen : Observation
        The observation.
    unit : str
        ``ns`` or ``instructions``.
    correct : bool
        Whether to subtract the tracer's own cost from the average.
    """
    counts, scale = seen.seen, seen.scale
    average = counts.average_ns
    if average is None:
        yield _never_called(seen)
        yield from _incomplete(seen)
        return
    yield ""
    yield from histogram_lines(counts.rows(scale), scale)
    yield ""
    shown = seen.corrected_ns if correct else average
    assert shown is not None
    yield (
        f"avg = {_scaled(shown, scale)} {scale.unit}{' (corrected)' if correct else ''},"
        f" total: {_scaled(counts.counter('total_ns'), scale)} {scale.unit},"
        f" count: {counts.calls}, {counts.calls / seen.seconds:,.1f} calls/s"
    )
    points = [f"p{100 * share:g} {_percentile(seen, share)}" for share in PERCENTILES]
    yield f"{'  '.join(points)}  max {_scaled(counts.counter('max_ns'), scale)} {scale.unit}"
    yield ""
    yield from _cost_lines(seen, unit, average, correct)
    yield from _incomplete(seen)


def _percentile(seen: Observation, share: float) -> str:
    value = seen.seen.percentile_ns(share)
    assert value is not None
    return _scaled(value, seen.scale)


def _cost_lines(seen: Observation, unit: str, average: float, correct: bool) -> Iterator[str]:
    cost = seen.cost
    yield f"own cost: {_interval(cost.per_call)} {unit} per call, with {seen.pair.kind}"
    inside = f"{_interval(cost.inside)} {unit} of it are part of each latency above"
    if correct:
        yield f"          {inside}; the average is corrected, from {average:,.1f} {unit}"
    else:
        corrected = seen.corrected_ns
        yield f"          {inside}; without them the average is {corrected:,.1f} {unit} (--correct)"
    if average < 2 * cost.inside.estimate:
        yield "          most of what is shown is the tracer's cost: the function is too short"


def _incomplete(seen: Observation) -> Iterator[str]:
    """Yield what is not in the histogram, with one line per reason."""
    counts, kind = seen.seen, seen.pair.kind
    reasons = (
        (counts.in_flight, _unfinished(counts.in_flight, kind)),
        (counts.counter("unmatched"), "returned, but their entry was not seen (entered before)"),
        (counts.counter("overwritten"), _AGAIN.get(kind, _RECURSION)),
        (counts.unreturned, f"ended, and their return was not seen{_FOLLOWED.get(kind, '')}"),
        (counts.counter("lost"), "lost, because there were too many threads at once"),
        (
            seen.missed or 0,
            "runs of the tracer skipped by the kernel: it ran on that CPU already (nested probes)",
        ),
    )
    for count, text in reasons:
        if count:
            yield f"not in it: {count} {text}"


_RECURSION = "outer calls of a recursion: only the innermost call is timed"
_AGAIN = {
    TRACEPOINTS: "begun again before an end was seen",
    AT_RETURNS: f"{_RECURSION}; a call counts twice where Go moved the stack",
}
# The kernel has room for a number of calls whose return address it replaced: for kretprobes the
# default of maxactive (kernel/kprobes.c), for uretprobes MAX_URETPROBE_DEPTH.
_FOLLOWED = {
    "kprobe/kretprobe": ": a kretprobe follows a limited number of calls at once",
    "uprobe/uretprobe": ": uretprobes follow 64 nested calls of a thread",
}


def _unfinished(calls: int, kind: str) -> str:
    text = "had not returned at the end"
    followed = max(10, 2 * possible_cpus())
    if kind == "kprobe/kretprobe" and calls > followed:
        return f"{text}, or their return was not seen: a kretprobe follows {followed} calls at once"
    return text


def _never_called(seen: Observation) -> str:
    only = f" by {_who(seen)}" if seen.filters.kinds else ""
    # Of a recursion deeper than uretprobes follow, no innermost call is timed.
    done = "timed" if seen.seen.counter("entered") else "called"
    text = f"{seen.target} was not {done}{only} in {seen.seconds:.1f} s (via {seen.pair.kind})"
    is_syscall = seen.target.startswith(f"{SYSCALL}:") and platform.machine() == "x86_64"
    return f"{text}; calls of 32-bit programs are not seen" if is_syscall else text


def _who(seen: Observation) -> str:
    filters = seen.filters
    named = {"process": filters.pid, "cgroup": filters.cgroup, "command": filters.command}
    return ", ".join(f"{kind} {value}" for kind, value in named.items() if value is not None)


def _scaled(value_ns: float, scale: Scale) -> str:
    scaled = value_ns / scale.unit_ns
    return f"{scaled:,.0f}" if scaled >= 1000 or scaled == int(scaled) else f"{scaled:,.1f}"


def _interval(value: Interval) -> str:
    half = value.half_width
    digits = 1 if value.estimate < 100 else 0
    return f"{value.estimate:,.{digits}f} ± {half:,.{digits}f}"
