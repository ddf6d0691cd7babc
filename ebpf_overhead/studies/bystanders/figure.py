"""What a probe costs those who do not call its workload, by attach type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import curve, panels, subject
from ebpf_overhead.report.record import Record, caller, measured
from ebpf_overhead.studies.bystanders.tables import tables

_MARKERS = "Dosv^<>"


# A row per attach type, a column per caller.
markdown = partial(canvas.markdown, tables)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel per record: what each caller pays, by attach type."""
    names = {case["attach"] for record in records for case in measured(record)}
    same_unit = len({case["unit"] for record in records for case in measured(record)}) == 1
    figure, axes = panels(len(records), height_inches=1.6 + 0.25 * len(names), sharex=same_unit)
    for record, axis in zip(records, axes, strict=True):
        _panel(record, axis)
    figure.legend(
        *axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2 * len(records)
    )
    return figure


def _panel(record: Record, axis: Any) -> None:
    cases = measured(record)
    attach_types = list(dict.fromkeys(case["attach"] for case in cases))
    callers = list(dict.fromkeys(map(_caller, cases)))
    for number, name in enumerate(callers):
        points = [case for case in cases if _caller(case) == name]
        aside = 0.12 * (number - (len(callers) - 1) / 2)
        curve(
            axis,
            [attach_types.index(case["attach"]) + aside for case in points],
            [Interval(**case["overhead"]) for case in points],
            across=True,
            marker=_MARKERS[number % len(_MARKERS)],
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
