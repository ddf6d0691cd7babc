"""Whether what a probe adds depends on what the call itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import STYLES, curve, from_zero, panels, subject
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.table import Table

_PROGRAM = "simple"


def _table(record: Record) -> list[Table]:
    cases = measured(record)
    targets = list(dict.fromkeys(case["target"] for case in cases))
    found = {(case["attach"], case["program"], case["target"]): case for case in cases}
    rows = [("", "the call itself", *(_baseline(cases, each) for each in targets))]
    for attach, program in dict.fromkeys((case["attach"], case["program"]) for case in cases):
        cells = [_cell(found.get((attach, program, target))) for target in targets]
        rows.append((attach, program, *cells))
    unit = cases[0]["unit"] if cases else ""
    return [Table(f"{unit} per call", ("attach type", "program", *targets), rows, words=(0, 1))]


# Every cell is what the probe adds to a call, with half the width of its interval.
markdown = partial(canvas.markdown, _table)


def _baseline(cases: list[dict[str, Any]], target: str) -> str:
    medians = sorted(case["baseline"]["median"] for case in cases if case["target"] == target)
    return f"{medians[len(medians) // 2]:.0f}"


def _cell(case: dict[str, Any] | None) -> str:
    if case is None:
        return "n/a"
    cost = Interval(**case["overhead"])
    half = f" (2 \N{MULTIPLICATION SIGN} {cost.estimate / 2:.0f})"
    twice = half if case["runs_per_call"] == 2 else ""
    return f"+{cost.estimate:.0f} ± {cost.half_width:.0f}{twice}"


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel per record: what the program costs, workload by workload.

    Level lines mean that any call pays the same.
    """
    figure, axes = panels(len(records))
    of_unit: dict[str, Any] = {}  # Panels of one unit have one scale.
    for record, axis in zip(records, axes, strict=True):
        axis.sharey(of_unit.setdefault(record["cases"][0]["unit"], axis))
        _panel(record, axis)
    from_zero(axes)
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _panel(record: Record, axis: Any) -> None:
    cases = [case for case in measured(record) if case["program"] == _PROGRAM]
    targets = list(dict.fromkeys(case["target"] for case in cases))
    attach_types = list(dict.fromkeys(case["attach"] for case in cases))
    for number, attach in enumerate(attach_types):
        points = [case for case in cases if case["attach"] == attach]
        aside = 0.06 * (number - (len(attach_types) - 1) / 2)
        curve(
            axis,
            [targets.index(case["target"]) + aside for case in points],
            [Interval(**case["overhead"]) / case["runs_per_call"] for case in points],
            **STYLES.get(attach, {}),
            markersize=5,
            capsize=2,
            label=attach,
        )
    unit = cases[0]["unit"] if cases else "ns"
    axis.set(title=subject(record), ylabel=f"added by a run of {_PROGRAM} ({unit})")
    axis.set_xticks(
        range(len(targets)),
        [f"{target.replace('_', ' + ')}\n{_baseline(cases, target)}" for target in targets],
    )
    axis.set_xlabel(f"the call itself ({unit})")
