"""How long load, attach and detach take, and how long calls stall meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.attach_latency.run import OPERATIONS
from ebpf_overhead.figures.canvas import panels, subject
from ebpf_overhead.report import attach_latency as report
from ebpf_overhead.report.record import Record

_MARKERS = "osv^"


def markdown(records: Sequence[Record]) -> str:
    """Return for each record a table of what operations take, and one of gaps if it has them."""
    return "\n".join(line for record in records for line in _tables(record))


def _tables(record: Record) -> list[str]:
    if report.by_instructions(record):
        lines = _table(
            f"**{subject(record)}**, instructions of the thread that attaches",
            [report.TIME_HEADINGS, *report.time_rows(record, "cpu")],
        )
        reasons = [f"- {why}" for why in report.not_measured(record)]
        return [*lines, *reasons, ""] if reasons else lines
    lines = _table(
        f"**{subject(record)}**, elapsed, µs",
        [report.TIME_HEADINGS, *report.time_rows(record, "elapsed_ns")],
    )
    lines += _table(
        f"**{subject(record)}**, of it on a CPU, in the thread that attaches, µs",
        [report.TIME_HEADINGS, *report.time_rows(record, "cpu")],
    )
    if not record["no_gaps"]:
        lines += _table(
            f"**{subject(record)}**, by how much the longest gap between calls is longer, µs",
            [report.GAP_HEADINGS, *report.gap_rows(record)],
        )
    return lines


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [
        title,
        "",
        f"| {' | '.join(rows[0])} |",
        f"| --- |{' --: |' * (len(rows[0]) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows[1:]),
        "",
    ]


def draw(records: Sequence[Record]) -> Any:
    """Return a figure for the first record: what each takes, and the longest gaps."""
    record = records[0]
    with_gaps = not record["no_gaps"]
    cases = report.measured(record)
    figure, axes = panels(1 + with_gaps, 1.6 + 0.22 * len(cases))
    _durations(axes[0], record, cases)
    axes[0].set_yticks(range(len(cases)), [case["attach"] for case in cases])
    if with_gaps:
        _gaps(axes[1], cases)
        axes[1].set_yticks(range(len(cases)), [""] * len(cases))
    for axis in axes:
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.legend(fontsize=7)
    figure.suptitle(subject(record))
    return figure


def _durations(axis: Any, record: Record, cases: list[dict[str, Any]]) -> None:
    counted = report.by_instructions(record)
    quantity, scale = ("cpu", 1.0) if counted else ("elapsed_ns", 1e3)
    for number, name in enumerate(OPERATIONS):
        values = [case["operations"][name][quantity] for case in cases]
        axis.errorbar(
            [value["estimate"] / scale for value in values],
            [row + 0.15 * (number - 1.5) for row in range(len(values))],
            xerr=[
                [(value["estimate"] - value["low"]) / scale for value in values],
                [(value["high"] - value["estimate"]) / scale for value in values],
            ],
            fmt=_MARKERS[number],
            markersize=4,
            label=name,
        )
    axis.set_xlabel("instructions" if counted else "elapsed (µs)")


def _gaps(axis: Any, cases: list[dict[str, Any]]) -> None:
    for which, label in (
        ("longest", "during an operation"),
        ("control_longest", "in as long a time without"),
    ):
        longest = [
            max(each["gap_ns"][which] for each in case["operations"].values()) / 1e3
            for case in cases
        ]
        axis.plot(longest, range(len(cases)), "o" if which == "longest" else "x", label=label)
    axis.set_xlabel("longest gap between calls (µs)")
