"""What probes cost a command, for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from ebpf_overhead.report.console import print_line, print_table
from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import in_vain

_HEADINGS = ("Probe", "Quantity", "Without", "Added", "99% interval", "Added %")
_NAMES = {
    "elapsed": "elapsed",
    "cpu": "CPU time",
    "victim": "victims' CPU",
    "metric": "number",
}
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def print_command(record: Record, console: Console) -> None:
    """Print the table of a command, and what there is to say of it."""
    rows = [row for case in measured(record) for row in _rows(case, record["unit"])]
    if rows:
        title = shlex.join(record["command"])
        print_table(console, _HEADINGS, rows, title=title, words=(0, 1))
    for line in _notes(record):
        print_line(console, line)


def _rows(case: dict[str, Any], unit: str) -> Iterator[tuple[str, ...]]:
    for number, each in enumerate(case["quantities"]):
        added, without = each["added"], each["baseline"]["median"]
        scale, name = (1.0, "") if each["name"] == "metric" else _scale(without, unit)
        cells = [_number(value / scale) for value in (without, *_values(added))]
        percent = f"{added['estimate'] / without:+.1%}" if without else ""
        yield (
            _name(case) if number == 0 else "",
            _NAMES[each["name"]],
            f"{cells[0].removeprefix('+')} {name}".strip(),
            cells[1],
            f"{cells[2]} … {cells[3]}",
            percent,
        )


def _values(interval: dict[str, float]) -> tuple[float, float, float]:
    return interval["estimate"], interval["low"], interval["high"]


def _scale(value: float, unit: str) -> tuple[float, str]:
    if unit != "ns":
        return 1.0, ""
    return next((each for each in _UNITS if value >= each[0]), _UNITS[-1])


def _number(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.4g}"


def _notes(record: Record) -> Iterator[str]:
    for case in measured(record):
        yield (
            f"{_name(case)}, on {case['hook']}, ran {case['runs_per_command']:,} times while the"
            f" command ran once, for other processes, too; {case['rounds']} rounds"
        )
    yield from in_vain(measured(record))
    for case in unmeasured(record):
        yield f"{_name(case)}: {why_not(case)}"


def _name(case: dict[str, Any]) -> str:
    return f"{case['attach']}/{case['program']}"
