"""Validations for people: a table, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.report.record import Record

HEADINGS = (
    "Load",
    "Probe",
    "load",
    "predicted",
    "stated interval",
    "true",
    "true interval",
    "true/predicted",
    "",
)
_VERDICTS = {
    "interval": "in the interval",
    "tolerance": "within 15 %",
    "unsure": "not sure",
    "off": "off",
}


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row a case; shares are of one core."""
    return [_row(case) for case in record["cases"]]


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    probe = f"{case['attach']} {case['program']}"
    if case["status"] != "measured":
        return (case["target"], probe, "", "n/a", "", "", "", "", case["status"])
    said, true = case["predicted"]["core_share"], case["true"]["core_share"]
    return (
        case["target"],
        probe,
        _percent(case["load_core_share"]),
        _percent(said["estimate"]),
        f"{_percent(said['low'])} … {_percent(said['high'])}",
        _percent(true["estimate"]),
        f"{_percent(true['low'])} … {_percent(true['high'])}",
        f"{case['ratio']:.3f}",
        _VERDICTS[case["verdict"]],
    )


def summary(record: Record) -> str:
    """Return in a sentence how many predictions held."""
    measured = [case for case in record["cases"] if case["status"] == "measured"]
    held = sum(case["verdict"] in ("interval", "tolerance") for case in measured)
    return (
        f"{held} of {len(measured)} predictions held: the truth is in the stated interval, or"
        f" within {100 * record['tolerance']:g} % of the prediction"
    )


def reasons(record: Record) -> Sequence[str]:
    """Return why cases were not measured, each reason once."""
    found = [case for case in record["cases"] if case["status"] != "measured"]
    lines = [
        f"{case['attach']}: {case['status']}: {case['reason']}"
        + (f"; {case['remedy']}" if case["remedy"] else "")
        for case in found
    ]
    return list(dict.fromkeys(lines))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
