"""Whether what a probe adds depends on what the target itself costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.figures.canvas import STYLES, panels, subject
from ebpf_overhead.report.record import Record

_PROGRAM = "simple"


def markdown(records: Sequence[Record]) -> str:
    """Return a table a record: a row an attach type and program, a column a target.

    Every cell is what a call pays more, with half the width of its interval.
    """
    return "\n".join(line for record in records for line in _table(record))


def _table(record: Record) -> list[str]:
    measured = [case for case in record["cases"] if case["status"] == "measured"]
    targets = list(dict.fromkeys(case["target"] for case in measured))
    found = {(case["attach"], case["program"], case["target"]): case for case in measured}
    unit = measured[0]["unit"] if measured else ""
    lines = [
        f"**{subject(record)}**, {unit} per call",
        "",
        f"| attach type | program | {' | '.join(targets)} |",
        f"| --- | --- |{' --: |' * len(targets)}",
        f"| | the call itself | {' | '.join(_baseline(measured, each) for each in targets)} |",
    ]
    for attach, program in dict.fromkeys((case["attach"], case["program"]) for case in measured):
        cells = [_cell(found.get((attach, program, target))) for target in targets]
        lines.append(f"| {attach} | {program} | {' | '.join(cells)} |")
    return [*lines, ""]


def _baseline(cases: list[dict[str, Any]], target: str) -> str:
    medians = sorted(case["baseline"]["median"] for case in cases if case["target"] == target)
    return f"{medians[len(medians) // 2]:.0f}"


def _cell(case: dict[str, Any] | None) -> str:
    if case is None:
        return "n/a"
    overhead = case["overhead"]
    half = (overhead["high"] - overhead["low"]) / 2
    twice = (
        f" (2 \N{MULTIPLICATION SIGN} {overhead['estimate'] / 2:.0f})"
        if case["runs_per_call"] == 2
        else ""
    )
    return f"+{overhead['estimate']:.0f} ± {half:.0f}{twice}"


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel a record: what the program costs, target by target.

    Level lines mean that any call pays the same.
    """
    figure, axes = panels(len(records))
    for record, axis in zip(records, axes, strict=True):
        _panel(record, axis)
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _panel(record: Record, axis: Any) -> None:
    cases = [
        case
        for case in record["cases"]
        if case["status"] == "measured" and case["program"] == _PROGRAM
    ]
    targets = list(dict.fromkeys(case["target"] for case in cases))
    attach_types = list(dict.fromkeys(case["attach"] for case in cases))
    for number, attach in enumerate(attach_types):
        points = [case for case in cases if case["attach"] == attach]
        aside = 0.06 * (number - (len(attach_types) - 1) / 2)
        low, middle, high = (
            [case["overhead"][which] / case["runs_per_call"] for case in points]
            for which in ("low", "estimate", "high")
        )
        axis.errorbar(
            [targets.index(case["target"]) + aside for case in points],
            middle,
            yerr=[
                [a - b for a, b in zip(middle, low, strict=True)],
                [b - a for a, b in zip(middle, high, strict=True)],
            ],
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
    axis.set_ylim(bottom=0)
