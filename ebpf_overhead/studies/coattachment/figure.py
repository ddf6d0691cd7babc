"""What one more program on a workload costs, by how many are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import STYLES, curve, from_zero, logarithmic, panels, subject
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies.coattachment.tables import counted, is_total, programs, tables

# Numbers of programs, and pairs.
markdown = partial(canvas.markdown, tables)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel per record: a curve per attach type."""
    units = {record["cases"][0]["unit"] for record in records}
    figure, axes = panels(len(records), sharey=len(units) == 1)
    for record, axis in zip(records, axes, strict=True):
        _panel(record, axis)
    from_zero(axes)
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
            curve(
                axis,
                [programs(case) for case in points],
                [Interval(**case["overhead"]) for case in points],
                **STYLES.get(attach, {"marker": "."}),
                capsize=2,
                label=attach,
            )
    unit = record["cases"][0]["unit"]
    axis.set(title=subject(record), ylabel=f"added by the last one ({unit})")
    axis.set_xlabel("programs on the target")
    logarithmic(axis, numbers)
