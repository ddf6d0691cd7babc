"""What one more program on a target costs, by how many are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.figures.canvas import STYLES, panels, subject
from ebpf_overhead.report.cohabitation import counted, is_total, programs, tables
from ebpf_overhead.report.formats import table_lines
from ebpf_overhead.report.record import Record


def markdown(records: Sequence[Record]) -> str:
    """Return the tables of each record: numbers of programs, and pairs."""
    lines = []
    for record in records:
        for table in tables(record):
            lines += [f"**{subject(record)}**, {table.title}", "", *table_lines(table), ""]
    return "\n".join(lines)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel a record: a curve an attach type."""
    figure, axes = panels(len(records))
    for record, axis in zip(records, axes, strict=True):
        _panel(record, axis)
    longest = max(axes, key=lambda axis: len(axis.get_legend_handles_labels()[1]))
    figure.legend(*longest.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _panel(record: Record, axis: Any) -> None:
    numbers: set[int] = set()
    for attach, cases in counted(record).items():
        points = [
            case
            for case in cases
            if case["status"] == "measured" and (programs(case) == 1 or not is_total(case))
        ]
        if points:
            numbers.update(map(programs, points))
            _curve(axis, attach, points)
    unit = record["cases"][0]["unit"]
    axis.set(title=subject(record), ylabel=f"added by the last one ({unit})")
    axis.set_xlabel("programs on the target")
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(numbers), [str(number) for number in sorted(numbers)])
    axis.set_ylim(bottom=0)


def _curve(axis: Any, attach: str, points: list[dict[str, Any]]) -> None:
    axis.errorbar(
        [programs(case) for case in points],
        [case["overhead"]["estimate"] for case in points],
        yerr=[(c["overhead"]["high"] - c["overhead"]["low"]) / 2 for c in points],
        **STYLES.get(attach, {"marker": "."}),
        markersize=4,
        capsize=2,
        label=attach,
    )
