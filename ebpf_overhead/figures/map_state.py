"""What a map operation costs, by state, against the map's sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.figures.canvas import panels, subject
from ebpf_overhead.map_state.states import SWEEPS
from ebpf_overhead.report.map_state import costs, states, sweep, table
from ebpf_overhead.report.record import Record

_LABELS = {"key_bytes": "bytes of a key", "value_bytes": "bytes of a value", "entries": "entries"}


def markdown(records: Sequence[Record]) -> str:
    """Return a table a record: a row a map, a column a state."""
    return "\n".join(line for record in records for line in _table(record))


def _table(record: Record) -> list[str]:
    heading, *rows = table(record)
    measured = [row for row in record["cases"] if row["status"] == "measured"]
    where = f", {measured[0]['unit']} a call, {measured[0]['attach']}" if measured else ""
    return [
        f"**{subject(record)}**{where}",
        "",
        f"| {' | '.join(heading)} |",
        f"|{' --: |' * len(heading)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel a quantity, for the first record."""
    record = records[0]
    figure, axes = panels(len(SWEEPS), 4.0)
    units = {row["unit"] for row in record["cases"] if row["status"] == "measured"}
    for index, (axis, quantity) in enumerate(zip(axes, SWEEPS, strict=True)):
        for number, state in enumerate(states(record)):
            _curve(axis, record, state, quantity, index, number)
        axis.set(xlabel=_LABELS[quantity], xscale="log")
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel(f"map operation ({', '.join(units)})")
    figure.suptitle(subject(record))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _curve(axis: Any, record: Record, state: str, quantity: str, index: int, number: int) -> None:
    found = costs(record)
    points = [
        (size[index], found[state, size])
        for size in sweep(record, quantity)
        if (state, size) in found
    ]
    axis.errorbar(
        [at for at, _ in points],
        [cost.estimate for _, cost in points],
        yerr=[
            [max(cost.estimate - cost.low, 0) for _, cost in points],
            [max(cost.high - cost.estimate, 0) for _, cost in points],
        ],
        marker="osv^Dp<>X"[number % 9],
        color=f"C{number}",
        markersize=4,
        capsize=2,
        label=state,
    )
