"""What a probe costs those who do not call its target, by attach type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.figures.canvas import panels, subject
from ebpf_overhead.report.bystanders import caller, tables
from ebpf_overhead.report.formats import table_lines
from ebpf_overhead.report.record import Record

_MARKERS = "Dosv^<>"


def markdown(records: Sequence[Record]) -> str:
    """Return a table a record and program: a row an attach type, a column a caller."""
    lines = []
    for record in records:
        for table in tables(record):
            lines += [f"**{subject(record)}**, {table.title}", "", *table_lines(table), ""]
    return "\n".join(lines)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel a record: what each caller pays, attach type by attach type."""
    names = {case["attach"] for record in records for case in _measured(record)}
    figure, axes = panels(len(records), height_inches=1.6 + 0.25 * len(names))
    for record, axis in zip(records, axes, strict=True):
        _panel(record, axis)
    figure.legend(
        *axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2 * len(records)
    )
    return figure


def _panel(record: Record, axis: Any) -> None:
    cases = _measured(record)
    attach_types = list(dict.fromkeys(case["attach"] for case in cases))
    callers = list(dict.fromkeys(map(_caller, cases)))
    for number, name in enumerate(callers):
        points = [case for case in cases if _caller(case) == name]
        aside = 0.12 * (number - (len(callers) - 1) / 2)
        axis.errorbar(
            [case["overhead"]["estimate"] for case in points],
            [attach_types.index(case["attach"]) + aside for case in points],
            xerr=[(c["overhead"]["high"] - c["overhead"]["low"]) / 2 for c in points],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            linestyle="none",
            label=name,
        )
    unit = cases[0]["unit"] if cases else "ns"
    axis.set(title=subject(record), xlabel=f"added to a call ({unit})")
    axis.set_yticks(range(len(attach_types)), attach_types)
    axis.invert_yaxis()
    axis.axvline(0, color="black", linewidth=0.8)


def _caller(case: dict[str, Any]) -> str:
    return caller(case) if "bystander" in case else "the target itself"


def _measured(record: Record) -> list[dict[str, Any]]:
    return [case for case in record["cases"] if case["status"] == "measured"]
