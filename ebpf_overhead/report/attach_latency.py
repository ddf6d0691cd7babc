"""What attaching takes: the record for JSON, and rows of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from ebpf_overhead import __version__, clock
from ebpf_overhead.attach_latency.run import OPERATIONS, Latencies, Timings
from ebpf_overhead.report.record import Record, outcome, why_not
from ebpf_overhead.stats import Interval, interval, median_interval

TIME_HEADINGS = ("Attach type", *OPERATIONS)
GAP_HEADINGS = (*TIME_HEADINGS, "longest", "control's")


def make_latency_record(
    results: Iterable[Latencies],
    machine: dict[str, Any],
    rounds: int,
    no_gaps: str | None,
    phases_s: dict[str, float],
) -> Record:
    """Return the record of a run, valid by ``attach_latency.schema.json``.

    Parameters
    ----------
    results : iterable of Latencies
        Every attach type asked for.
    machine : dict
        What the machine is.
    rounds : int
        How often each operation was made.
    no_gaps : str or None
        Why nobody called meanwhile; None if somebody did.
    phases_s : dict of str to float
        Seconds spent in each phase.
    """
    return {
        "schema": 1,
        "kind": "attach_latency",
        "version": __version__,
        "machine": machine,
        "rounds": rounds,
        "no_gaps": no_gaps,
        "phases_s": {name: round(seconds, 3) for name, seconds in phases_s.items()},
        "cases": [_case(result) for result in results],
    }


def _case(result: Latencies) -> dict[str, Any]:
    measured_by = clock.current()
    row = {**outcome(result), "clock": measured_by.name, "cpu_unit": measured_by.unit}
    if result.hits is not None:
        row.update(
            hook=result.hook,
            calls=result.hits.calls,
            hits=result.hits.hits,
            hits_slack=result.hits.slack,
            runs_per_call=result.hits.runs_per_call,
            foreign_hits=result.hits.foreign_hits,
            operations={name: _operation(each) for name, each in result.timings.items()},
        )
    return row


def _operation(timings: Timings) -> dict[str, Any]:
    row: dict[str, Any] = {
        "elapsed_ns": dataclasses.asdict(median_interval(timings.elapsed_ns)),
        "cpu": dataclasses.asdict(median_interval(timings.cpu)),
        "samples": dataclasses.asdict(timings),
    }
    if timings.gaps_ns:
        more = [a - b for a, b in zip(timings.gaps_ns, timings.control_ns, strict=True)]
        row["gap_ns"] = {
            "longest": max(timings.gaps_ns),
            "control_longest": max(timings.control_ns),
            "median": median_interval(timings.gaps_ns).estimate,
            "control_median": median_interval(timings.control_ns).estimate,
            "more_than_control": dataclasses.asdict(interval(more)),
        }
    return row


def measured(record: Record) -> list[dict[str, Any]]:
    """Return the rows that have numbers."""
    return [case for case in record["cases"] if case["status"] == "measured"]


def by_instructions(record: Record) -> bool:
    """Whether instructions say what an operation takes, because the clock leaps over waits."""
    return any(case["cpu_unit"] == "instructions" for case in record["cases"])


def not_measured(record: Record) -> list[str]:
    """Return a line each attach type that has no numbers, with the reason."""
    return [
        f"{case['attach']}: {why_not(case)}"
        for case in record["cases"]
        if case["status"] != "measured"
    ]


def headings(record: Record) -> tuple[str, ...]:
    """Return what the columns of :func:`rows` are."""
    if by_instructions(record):
        return ("Attach type", "Operation", "Instructions", "99% interval")
    gaps = () if record["no_gaps"] else ("Gap", "Control")
    return ("Attach type", "Operation", "Elapsed", "99% interval", "CPU", *gaps)


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row an attach type and operation, for people."""
    return [
        (case["attach"] if name == "load" else "", name, *_cells(case, each))
        for case in measured(record)
        for name, each in case["operations"].items()
    ]


def _cells(case: dict[str, Any], operation: dict[str, Any]) -> tuple[str, ...]:
    if case["cpu_unit"] == "instructions":
        count = Interval(**operation["cpu"])
        return f"{count.estimate:,.0f}", f"{count.low:,.0f} … {count.high:,.0f}"
    elapsed = Interval(**operation["elapsed_ns"])
    times = (
        _short(elapsed.estimate),
        f"{_short(elapsed.low)} … {_short(elapsed.high)}",
        _short(operation["cpu"]["estimate"]),
    )
    if "gap_ns" not in operation:
        return times
    gap = operation["gap_ns"]
    return (*times, _short(gap["longest"]), _short(gap["control_longest"]))


def time_rows(record: Record, quantity: str) -> list[tuple[str, ...]]:
    """Return a row an attach type: what each operation takes, with its interval.

    Parameters
    ----------
    record : dict
        The record of a run.
    quantity : str
        ``elapsed_ns`` or ``cpu``: in microseconds, or in instructions where the clock counts
        those.
    """
    plain = quantity == "cpu" and by_instructions(record)
    show = _count if plain else _microseconds
    return [
        (
            case["attach"],
            *(show(Interval(**case["operations"][name][quantity])) for name in OPERATIONS),
        )
        for case in measured(record)
    ]


def _microseconds(value: Interval) -> str:
    return f"{_short(value.estimate)} ({_short(value.low)} … {_short(value.high)})"


def _short(ns: float) -> str:
    return f"{ns / 1e3:,.0f}" if ns >= 99_500 else f"{ns / 1e3:.3g}"


def _count(value: Interval) -> str:
    if value.high - value.low < 0.01 * value.estimate:
        return f"{value.estimate:,.0f}"
    return f"{value.estimate:,.0f} ({value.low:,.0f} … {value.high:,.0f})"


def gap_rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row an attach type: by how much the longest gap is longer than the control's.

    Then the longest gaps of all; all in microseconds.
    """
    return [_gap_row(case) for case in measured(record) if not record["no_gaps"]]


def _gap_row(case: dict[str, Any]) -> tuple[str, ...]:
    gaps: Sequence[dict[str, Any]] = [case["operations"][name]["gap_ns"] for name in OPERATIONS]
    return (
        case["attach"],
        *(_more(Interval(**gap["more_than_control"])) for gap in gaps),
        _short(max(gap["longest"] for gap in gaps)),
        _short(max(gap["control_longest"] for gap in gaps)),
    )


def _more(value: Interval) -> str:
    if not value.excludes_zero:
        return "none seen"
    return f"{_short(value.estimate)} ({_short(value.low)} … {_short(value.high)})"
