"""How long load, attach and detach take, and how long calls stall meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import curve, logarithmic, panels, subject
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.attach_latency import tables as report
from ebpf_overhead.studies.attach_latency.many_tables import of_many
from ebpf_overhead.studies.attach_latency.run import OPERATIONS
from ebpf_overhead.studies.attach_latency.tables import by_instructions

_MARKERS = "osv^"


def markdown(records: Sequence[Record]) -> str:
    """Return for each record a table of what operations take, and one of gaps if it has them."""
    return "\n".join(line for record in records for line in _parts(record))


def _parts(record: Record) -> Iterator[str]:
    yield canvas.markdown(_tables, [record])
    if by_instructions(record) and (reasons := report.not_measured(record)):
        yield from [*(f"- {why}" for why in reasons), ""]


def _tables(record: Record) -> list[Table]:
    if of_many(record):
        return report.tables(record)
    titles = {"elapsed_ns": "elapsed, µs", "cpu": "of it on a CPU, in the thread that attaches, µs"}
    if by_instructions(record):
        titles = {"cpu": "instructions of the thread that attaches"}
    tables = [
        Table(title, report.TIME_HEADINGS, report.time_rows(record, quantity))
        for quantity, title in titles.items()
    ]
    if not record["no_gaps"] and not by_instructions(record):
        title = "by how much the longest gap between calls is longer, µs"
        tables.append(Table(title, report.GAP_HEADINGS, report.gap_rows(record)))
    return tables


def draw(records: Sequence[Record]) -> Any:
    """Return a figure for the first record: what each takes, and the longest gaps."""
    record = records[0]
    if of_many(record):
        raise BadUseError(
            "a record of many points has no figure", "plot one that was measured without --count"
        )
    with_gaps = not record["no_gaps"]
    cases = measured(record)
    figure, axes = panels(1 + with_gaps, 1.6 + 0.22 * len(cases), sharey=True)
    _durations(axes[0], record, cases)
    axes[0].set_yticks(range(len(cases)), [case["attach"] for case in cases])
    if with_gaps:
        _gaps(axes[1], cases)
    axes[0].invert_yaxis()
    for axis in axes:
        logarithmic(axis)
        # Above the axes: there are points everywhere.
        axis.legend(fontsize=7, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    figure.suptitle(subject(record))
    return figure


def _durations(axis: Any, record: Record, cases: list[dict[str, Any]]) -> None:
    counted = by_instructions(record)
    quantity, scale = ("cpu", 1.0) if counted else ("elapsed_ns", 1e3)
    for number, name in enumerate(OPERATIONS):
        curve(
            axis,
            [row + 0.15 * (number - 1.5) for row in range(len(cases))],
            [Interval(**case["operations"][name][quantity]) / scale for case in cases],
            across=True,
            fmt=_MARKERS[number],
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
