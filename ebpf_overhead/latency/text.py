"""A ``funclatency`` run for people: the histogram bcc's users know, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from ebpf_overhead.latency.histogram import Row, Scale
from ebpf_overhead.latency.record import PERCENTILES, Observation
from ebpf_overhead.stats import Interval

_BAR = 40


def histogram_lines(rows: list[Row], scale: Scale) -> Iterator[str]:
    """Yield the lines of a histogram, in bcc's layout."""
    if not rows:
        return
    most = max(row.calls for row in rows)
    width = max(10, len(str(rows[-1].high or rows[-1].low)))
    yield f"     {scale.unit:<{2 * width + 4}} : count     distribution"
    for row in rows:
        high = "..." if row.high is None else str(row.high)
        bar = "*" * round(_BAR * row.calls / most)
        yield f"{row.low:>{width}} -> {high:<{width}}      : {row.calls:<8} |{bar:<{_BAR}}|"


def lines(seen: Observation, unit: str, correct: bool) -> Iterator[str]:
    """Yield an observation: histogram, average, percentiles, own cost, what is not in it.

    Parameters
    ----------
    seen : Observation
        What was observed.
    unit : str
        ``ns`` or ``instructions``.
    correct : bool
        Whether the average is to be without the tracer's own cost.
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
    yield f"own cost: {_interval(cost.per_call)} {unit} a call, through {seen.way.kind}"
    inside = f"{_interval(cost.inside)} {unit} of it are inside each latency above"
    if correct:
        yield f"          {inside}; the average is corrected, from {average:,.1f} {unit}"
    else:
        corrected = seen.corrected_ns
        yield f"          {inside}; without them the average is {corrected:,.1f} {unit} (--correct)"
    if average < 2 * cost.inside.estimate:
        yield "          most of what is shown is the tracer: the function is too short for it"


def _incomplete(seen: Observation) -> Iterator[str]:
    """Yield what is not in the histogram, one line each reason that applies."""
    counts = seen.seen
    reasons = (
        (counts.in_flight, "had not returned at the end"),
        (counts.counter("unmatched"), "returned without a beginning seen (begun before)"),
        (
            counts.counter("overwritten"),
            "begun again before returning (recursion)",
        ),
        (counts.counter("lost"), "lost, too many threads at once"),
        (seen.missed or 0, "runs of the tracer left out by the kernel (recursion)"),
    )
    for count, text in reasons:
        if count:
            yield f"not in it: {count} {text}"


def _never_called(seen: Observation) -> str:
    only = f" by {_who(seen)}" if seen.filters.kinds else ""
    return f"{seen.target} was not called{only} in {seen.seconds:.1f} s (via {seen.way.kind})"


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
