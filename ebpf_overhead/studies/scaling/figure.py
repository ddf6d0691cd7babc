"""What a probe costs when many CPUs call at once: the contention curve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import curve, from_zero, panels, subject
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.scaling.tables import HEADINGS, rows

# Quantity of a point, what the axis says, and what is 1 there.
_PANELS = (
    ("overhead", "added to a call (ns)", 1.0),
    ("efficiency", "throughput, % of CPUs times one", 0.01),
)


def _table(record: Record) -> list[Table]:
    return [Table(record["cases"][0]["attach"], HEADINGS, rows(record))]


# A row per program and number of CPUs.
markdown = partial(canvas.markdown, _table)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a curve per program, for the first record."""
    record = records[0]
    figure, axes = panels(len(_PANELS))
    for axis, (quantity, label, share) in zip(axes, _PANELS, strict=True):
        for number, case in enumerate(record["cases"]):
            if case["status"] == "measured":
                _curve(axis, case, quantity, share, 0.02 * number)
        axis.set(xlabel="CPUs calling at once", ylabel=label)
        counts = sorted({len(p["cpus"]) for c in record["cases"] for p in c.get("points", ())})
        axis.set_xticks(counts)
    from_zero(axes)
    figure.suptitle(subject(record))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _curve(axis: Any, case: dict[str, Any], quantity: str, share: float, aside: float) -> None:
    points = case["points"]
    curve(
        axis,
        [len(point["cpus"]) + aside for point in points],
        [Interval(**point[quantity]) / share for point in points],
        marker="o",
        capsize=2,
        label=case["program"],
    )
