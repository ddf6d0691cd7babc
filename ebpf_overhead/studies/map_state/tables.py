"""What a map's state costs, as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import UNIT_HEADINGS, Table
from ebpf_overhead.studies.map_state.states import STATES, SWEEPS

BASE = "none"


def costs(record: Record) -> dict[tuple[str, tuple[int, int, int]], Interval]:
    """Return what the map operation alone costs, by state and sizes.

    That is the overhead less that of the state ``none`` at the same sizes; the bounds are
    as far apart as both intervals allow.
    """
    found = {(row["state"], sizes(row)): Interval(**row["overhead"]) for row in measured(record)}
    return {
        (state, size): overhead - found[BASE, size]
        for (state, size), overhead in found.items()
        if state != BASE and (BASE, size) in found
    }


def sizes(row: dict[str, Any]) -> tuple[int, int, int]:
    """Return the sizes of a row: key, value, entries."""
    return row["key_bytes"], row["value_bytes"], row["entries"]


def states(record: Record) -> list[str]:
    """Return the states that have rows, in the catalogue's order, without ``none``."""
    there = {row["state"] for row in record["cases"]}
    return [name for name in STATES if name in there and name != BASE]


def table(record: Record) -> list[list[str]]:
    """Return a heading and a row per map: what the map operation costs in each state."""
    found, names = costs(record), states(record)
    shown = list(dict.fromkeys(sizes(row) for row in record["cases"]))
    reasons = {(row["state"], sizes(row)): row["status"] for row in unmeasured(record)}
    return [
        ["key", "value", "entries", *names],
        *(
            [
                *(f"{number:,}" for number in size),
                *(_text(found.get((name, size)), reasons.get((name, size), "")) for name in names),
            ]
            for size in shown
        ),
    ]


def _text(cost: Interval | None, otherwise: str) -> str:
    if cost is None:
        return otherwise
    if cost.half_width < 0.5:
        return f"{cost.estimate:.0f}"
    return f"{cost.estimate:.0f} ± {cost.half_width:.0f}"


HEADINGS = ("State", "Key/value/entries", "Keys in it", "Overhead", "Map alone")


def tables(record: Record) -> list[Table]:
    """Return the table of a record: a row per state and size."""
    unit = UNIT_HEADINGS[record["cases"][0]["unit"]]
    return [Table(f"sizes in bytes, costs in {unit}", HEADINGS, rows(record))]


def notes(record: Record) -> list[str]:
    """Return why states were not measured."""
    return [
        f"{row['state']}/{row['key_bytes']}/{row['value_bytes']}/{row['entries']}: {why_not(row)}"
        for row in unmeasured(record)
    ]


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row per state and size, for people: the overhead, and what of it is the map's."""
    found = costs(record)
    return [_shown(row, found.get((row["state"], sizes(row)))) for row in record["cases"]]


def _shown(row: dict[str, Any], cost: Interval | None) -> tuple[str, ...]:
    where = (row["state"], "/".join(str(number) for number in sizes(row)))
    if row["status"] != "measured":
        return (*where, "", row["status"], "")
    overhead = Interval(**row["overhead"])
    return (*where, f"{row['keys_before']:,}", _text(overhead, ""), _text(cost, ""))


def sweep(record: Record, quantity: str) -> list[tuple[int, int, int]]:
    """Return the sizes that differ in one quantity only from the commonest, in order of it."""
    index = list(SWEEPS).index(quantity)
    there = {sizes(row) for row in record["cases"]}
    columns = zip(*(sizes(row) for row in record["cases"]), strict=True)
    usual = tuple(max(set(column), key=column.count) for column in columns)
    alike = [
        size
        for size in there
        if all(size[at] == usual[at] for at in range(len(usual)) if at != index)
    ]
    return sorted(alike, key=lambda size: size[index])
