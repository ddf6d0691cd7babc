"""A table as rows of text, and the labels that every table uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.measure.stats import Interval

UNIT_HEADINGS = {"ns": "ns/op", "instructions": "instr/op"}


@dataclass(frozen=True)
class Table:
    """The table of one program on one workload.

    Attributes
    ----------
    title : str
        Program and what it does; the workload, unless it is getpid.
    headings : tuple of str
        Column headings.
    rows : list of tuple of str
        The unprobed call first, then one row per attach type; empty cells where it could
        not be measured.
    words : tuple of int
        Columns that are words, not numbers.
    below : tuple of str
        What is said below it, one line each.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: tuple[int, ...] = (0,)
    below: tuple[str, ...] = ()


def case_label(attach: str) -> str:
    """Return an attach type's name for people; marks what the reference calls otherwise."""
    known = ATTACH_TYPES.get(attach)
    return f"{attach} *" if known is not None and known.called_otherwise else attach


def occupied(cases: Iterable[dict[str, Any]]) -> str:
    """Return the mark of rows whose workload had hooks of others, empty for the rest."""
    return " †" if any("occupants" in case for case in cases) else ""


def in_vain(cases: Iterable[dict[str, Any]]) -> list[str]:
    """Return what programs did not do, or did in vain, a line for each program and finding."""
    lines: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        for each in case.get("findings", ()):
            # Numbers differ a little between attach types: the first one's stand for all.
            key = (case["program"], re.sub("[0-9,]+", "0", each["what"]))
            lines.setdefault(key, [each["what"]]).append(case["attach"])
    return [
        f"{program} ({', '.join(dict.fromkeys(attach))}): {what}"
        for (program, _), (what, *attach) in lines.items()
    ]


def with_width(value: Interval) -> str:
    """Return an estimate with half the width of its interval, if it has one to speak of."""
    width = f" ± {value.half_width:.0f}" if value.half_width >= 0.5 else ""
    return f"{value.estimate:+.0f}{width}".replace("-0", "+0")


def table_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown, without its title."""
    yield "| " + " | ".join(table.headings) + " |"
    columns = range(len(table.headings))
    yield "|" + "".join(" --- |" if number in table.words else " --: |" for number in columns)
    for row in table.rows:
        yield "| " + " | ".join(cell.replace("*", "\\*") for cell in row) + " |"
