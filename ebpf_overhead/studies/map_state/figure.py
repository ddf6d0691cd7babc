"""What a map operation costs, by state, against the map's sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ebpf_overhead.report import canvas
from ebpf_overhead.report.canvas import curve, from_zero, logarithmic, panels, subject
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.map_state.states import SWEEPS
from ebpf_overhead.studies.map_state.tables import costs, states, sweep, table

_LABELS = {"key_bytes": "bytes of a key", "value_bytes": "bytes of a value", "entries": "entries"}


def _table(record: Record) -> list[Table]:
    found = measured(record)
    title = f"{found[0]['unit']} per call, {found[0]['attach']}" if found else ""
    heading, *rows = map(tuple, table(record))
    return [Table(title, heading, rows, words=())]


# A row per map, a column per state.
markdown = partial(canvas.markdown, _table)


def draw(records: Sequence[Record]) -> Any:
    """Return a figure with a panel per quantity, for the first record."""
    record = records[0]
    figure, axes = panels(len(SWEEPS), 4.0, sharey=True)
    units = {row["unit"] for row in measured(record)}
    for index, (axis, quantity) in enumerate(zip(axes, SWEEPS, strict=True)):
        for number, state in enumerate(states(record)):
            _curve(axis, record, state, quantity, index, number)
        axis.set(xlabel=_LABELS[quantity])
        logarithmic(axis, {size[index] for size in sweep(record, quantity)})
        axis.tick_params(axis="x", labelrotation=60)
    from_zero(axes)
    figure.align_xlabels()
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
    curve(
        axis,
        [at for at, _ in points],
        [cost for _, cost in points],
        marker="osv^Dp<>X"[number % 9],
        color=f"C{number}",
        capsize=2,
        label=state,
    )
