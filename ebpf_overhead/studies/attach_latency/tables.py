"""What attaching takes, as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.attach_latency import many_tables
from ebpf_overhead.studies.attach_latency.run import OPERATIONS

TIME_HEADINGS = ("Attach type", *OPERATIONS)
GAP_HEADINGS = (*TIME_HEADINGS, "longest", "control's")


def by_instructions(record: Record) -> bool:
    """Whether instructions say what an operation takes, because the clock leaps over waits."""
    return any(case["cpu_unit"] == "instructions" for case in record["cases"])


def not_measured(record: Record) -> list[str]:
    """Return one line per attach type that has no numbers, with the reason."""
    return [f"{many_tables.name_of(case)}: {why_not(case)}" for case in unmeasured(record)]


def tables(record: Record) -> list[Table]:
    """Return the table of a record: a row per attach type and operation, or per many points."""
    if many_tables.of_many(record):
        return many_tables.tables(record)
    gaps = "median and longest gap between two calls meanwhile, in microseconds"
    title = "instructions of the thread that attaches" if by_instructions(record) else gaps
    return [Table(title, headings(record), rows(record), words=(0, 1))]


def notes(record: Record) -> list[str]:
    """Return why gaps were not seen, and why attach types were not measured."""
    unseen = record["no_gaps"]
    return [f"gaps between calls not seen: {unseen}"] * bool(unseen) + not_measured(record)


def headings(record: Record) -> tuple[str, ...]:
    """Return what the columns of :func:`rows` are."""
    if by_instructions(record):
        return ("Attach type", "Operation", "Instructions", "99% interval")
    gaps = () if record["no_gaps"] else ("Gap", "Control")
    return ("Attach type", "Operation", "Elapsed", "99% interval", "CPU", *gaps)


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row per attach type and operation, for people."""
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
    """Return a row per attach type: what each operation takes, with its interval.

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
    """Return a row per attach type: by how much the longest gap is longer than the control's.

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
