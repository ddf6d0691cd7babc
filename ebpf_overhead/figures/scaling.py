"""What a probe costs when many CPUs call at once: the contention curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.figures.canvas import panels, subject
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.scaling import HEADINGS, rows

# Quantity of a point, what the axis says, and by how much it is multiplied.
_PANELS = (
    ("overhead", "added to a call (ns)", 1.0),
    ("efficiency", "throughput, % of CPUs times one", 100.0),
)


def markdown(records: Sequence[Record]) -> str:
    """Return a table a record: a row a program and number of CPUs."""
    return "\n".join(line for record in records for line in _table(record))


def _table(record: Record) -> list[str]:
    return [
        f"**{subject(record)}**, {record['cases'][0]['attach']}",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"| --- |{' --: |' * (len(HEADINGS) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows(record)),
        "",
    ]


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a curve a program, for the first record."""
    record = records[0]
    figure, axes = panels(len(_PANELS))
    for axis, (quantity, label, factor) in zip(axes, _PANELS, strict=True):
        for number, case in enumerate(record["cases"]):
            if case["status"] == "measured":
                _curve(axis, case, quantity, factor, 0.02 * number)
        axis.set(xlabel="CPUs calling at once", ylabel=label)
        axis.set_ylim(bottom=0)
        counts = sorted({len(p["cpus"]) for c in record["cases"] for p in c.get("points", ())})
        axis.set_xticks(counts)
    figure.suptitle(subject(record))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _curve(axis: Any, case: dict[str, Any], quantity: str, factor: float, aside: float) -> None:
    points = case["points"]
    low, middle, high = (
        [factor * point[quantity][which] for point in points]
        for which in ("low", "estimate", "high")
    )
    axis.errorbar(
        [len(point["cpus"]) + aside for point in points],
        middle,
        yerr=[
            [a - b for a, b in zip(middle, low, strict=True)],
            [b - a for a, b in zip(middle, high, strict=True)],
        ],
        marker="o",
        markersize=4,
        capsize=2,
        label=case["program"],
    )
