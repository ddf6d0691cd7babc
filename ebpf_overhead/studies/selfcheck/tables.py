"""Checks as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import Table

HEADINGS = ("Part", "Check", "Seen", "Expected", "Allowed", "Unit", "Result")
_WORDS = (0, 1, 5, 6)
_RESULTS = {True: "pass", False: "FAIL", None: ""}


def tables(record: Record) -> list[Table]:
    """Return the table of a record: a row per check."""
    title = f"self-check with {record['attach']}, kernel {record['machine']['kernel']['release']}"
    return [Table(title, HEADINGS, list(map(_row, measured(record))), _WORDS)]


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    number = "" if case["comparisons"] == 1 else f" of {case['comparisons']:,}"
    unit = case["unit"] + (number if case["unit"] == "comparisons" else "")
    expected = "" if case["expected"] is None else _text(case["expected"])
    return (
        *(case["part"], case["check"], _text(case["seen"]), expected, _allowed(case), unit),
        _RESULTS[case["passed"]],
    )


def _allowed(case: dict[str, Any]) -> str:
    low, high = case["low"], case["high"]
    if low is None and high is None:
        return ""
    return _text(low) if low == high else f"{_text(low)} … {_text(high)}"


def _text(value: float) -> str:
    """Return a number with as many digits as it is worth."""
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace("-0", "0", value == 0)


def notes(record: Record) -> list[str]:
    """Return what could not be checked and why, and what failed."""
    failed = [case for case in measured(record) if case["passed"] is False]
    lines = [f"{case['part']}: {why_not(case)}" for case in unmeasured(record)]
    if failed:
        lines.append(f"{len(failed)} failed: what is measured here now is not to be trusted")
    return lines
