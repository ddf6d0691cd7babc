"""Validations for people: a table, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import Table

HEADINGS = ("Load", "Probe", "predicted", "true", "an event", "ratio", "truth is")
TITLE = "Shares of one core in %; an event in {unit}, predicted / true; ratio: true to predicted"
_VERDICTS = {
    "interval": "as stated",
    "tolerance": "within 15 %",
    "unsure": "not sure",
    "off": "off",
}


def tables(record: Record) -> list[Table]:
    """Return the table of a record: a row per case."""
    return [Table(TITLE.format(unit=record["unit"]), HEADINGS, rows(record), words=(0, 1))]


def notes(record: Record) -> list[str]:
    """Return why cases were not measured, and how many predictions held."""
    return [*reasons(record), summary(record)]


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row per case."""
    several = len({case["program"] for case in record["cases"]}) > 1
    return [_row(case, several) for case in record["cases"]]


def _row(case: dict[str, Any], with_program: bool) -> tuple[str, ...]:
    probe = f"{case['attach']} {case['program']}" if with_program else case["attach"]
    if case["status"] != "measured":
        return (case["target"], probe, "", "", "", "", case["status"])
    return (
        case["target"],
        probe,
        _percent(case["predicted"]["core_share"]),
        _percent(case["true"]["core_share"]),
        " / ".join(f"{case[each]['overhead']['estimate']:.1f}" for each in ("predicted", "true")),
        f"{case['ratio']:.3f}",
        _VERDICTS[case["verdict"]],
    )


def summary(record: Record) -> str:
    """Return in a sentence how many predictions held."""
    cases = measured(record)
    held = sum(case["verdict"] in ("interval", "tolerance") for case in cases)
    programs = ", ".join(dict.fromkeys(case["program"] for case in record["cases"]))
    return (
        f"{held} of {len(cases)} predictions for {programs} held: the truth lies in the stated"
        f" interval, or within {100 * record['tolerance']:g} % of the prediction"
    )


def reasons(record: Record) -> Sequence[str]:
    """Return why cases were not measured, each reason once."""
    lines = [f"{case['attach']}: {why_not(case)}" for case in unmeasured(record)]
    return list(dict.fromkeys(lines))


def _percent(share: dict[str, float]) -> str:
    estimate, low, high = (100 * share[name] for name in ("estimate", "low", "high"))
    return f"{estimate:.3g} ({low:.3g} … {high:.3g})"
