"""A comparison as tables for people and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.comparison import ComparedRow, Comparison, Verdict
from ebpf_overhead.report.formats import to_markdown
from ebpf_overhead.report.quantities import BASELINE, OF_A_CORE, Quantity
from ebpf_overhead.report.table import UNIT_HEADINGS, Table

# Longer names of the two sides are said above the tables only.
_LONGEST_HEADING = 10
# Larger numbers have no digits behind the point.
_WITHOUT_DIGITS = 10_000
# No more rows of one result alone are named.
_MOST_NAMED = 6
_MARKS: dict[Verdict, str] = {
    "more": " +",
    "less": " -",
    "perhaps": " ~",
    "not judged": " ?",
    "same": "",
}
# What tells reasons of a kind apart.
_NUMBER = re.compile(r"[+-]?[\d,.]*\d")
_SCHEMA = 1


def tables(comparison: Comparison, everything: bool = False) -> list[Table]:
    """Return a table for each kind of number: the rows that differ, or all of them."""
    rows = comparison.rows if everything else comparison.changed
    key = _kind
    kinds = dict.fromkeys(map(key, rows))
    return [_table(comparison, [row for row in rows if key(row) == kind]) for kind in kinds]


def _kind(row: ComparedRow) -> tuple[str, str]:
    return row.before.what, row.before.unit


def _table(comparison: Comparison, rows: Sequence[ComparedRow]) -> Table:
    what, unit = _kind(rows[0])
    shared = _shared(rows)
    title = ", ".join((what, *rows[0].before.of[:shared])) + f"; {UNIT_HEADINGS.get(unit, unit)}"
    timed = any(_has_bounds(row) for row in rows)
    columns = ("Case", *_headings(comparison), "Difference", *(["99% interval"] if timed else []))
    return Table(
        title,
        (*columns, "Ratio"),
        [_cells(row, shared, timed) for row in rows],
    )


def _shared(rows: Sequence[ComparedRow]) -> int:
    """Return how many of the first names all rows share; of one row, all but its last two."""
    names = [row.before.of for row in rows]
    columns = zip(*names, strict=False)
    same = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return max(min(same, min(map(len, names)) - (1 if len(rows) > 1 else 2)), 0)


def _headings(comparison: Comparison) -> tuple[str, str]:
    names = (comparison.before.name, comparison.after.name)
    long = max(map(len, names)) > _LONGEST_HEADING or names[0] == names[1]
    return ("A", "B") if long else names


def _has_bounds(row: ComparedRow) -> bool:
    return not row.before.exact and row.before.known and row.after.known


def _cells(row: ComparedRow, shared: int, timed: bool) -> tuple[str, ...]:
    unit = row.before.unit
    values = (_number(each.value.estimate, unit) for each in (row.before, row.after))
    low, high = (_number(each, unit, "+") for each in (row.difference.low, row.difference.high))
    label = ", ".join(row.before.of[shared:]) or row.before.what
    return (
        label + (" ‡" if row.another_program else ""),
        *values,
        _number(row.difference.estimate, unit, "+"),
        *([f"{low} … {high}" if _has_bounds(row) else ""] if timed else []),
        ("" if row.ratio is None else f"{row.ratio:.2f}") + _MARKS[row.verdict],
    )


def _number(value: float, unit: str, sign: str = "") -> str:
    if unit == OF_A_CORE:
        return f"{100 * value:{sign}.3g} %"
    digits = 0 if abs(value) >= _WITHOUT_DIGITS else 1 if unit in UNIT_HEADINGS else 3
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}"


def notes(comparison: Comparison, everything: bool = False) -> list[str]:
    """Return what there is to say about the rows, one line each."""
    return list(_notes(comparison, everything))


def header(comparison: Comparison) -> list[str]:
    """Return what the two results are, a line each."""
    return [
        f"{letter}: {each.name} ({each.about})"
        for letter, each in zip("AB", (comparison.before, comparison.after), strict=True)
    ]


def _notes(comparison: Comparison, everything: bool) -> Iterator[str]:
    rows, changed = comparison.rows, comparison.changed
    yield f"{len(changed)} of {len(rows)} rows differ"
    perhaps = [row for row in rows if row.verdict == "perhaps"]
    unjudged = [row for row in rows if row.verdict == "not judged"]
    others = [row for row in unjudged if row.before.what != BASELINE]
    hidden = "" if everything else "; --all shows them"
    if perhaps:
        yield (
            f"~ {len(perhaps)} more by what may be chance among {len(rows)} rows (99 % for all"
            f" together){hidden}"
        )
    for row in unjudged:
        if row not in others:
            one, other = (_number(e.value.estimate, e.unit) for e in (row.before, row.after))
            yield f"{' '.join(row.before.of)} without a probe: {one} and {other} {row.before.unit}"
    if others:
        yield f"? rows without an interval, which are not judged: {len(others)}{hidden}"
    if any(row.another_program for row in (rows if everything else changed)):
        yield "‡ the program was compiled otherwise: what differs is not the kernel's alone"
    for name, (mine, other) in comparison.differing.items():
        yield f"not the same in both: {name}, {mine} and {other}"
    for letter, only in (("A", comparison.only_before), ("B", comparison.only_after)):
        if only:
            yield f"in {letter} only: {_in_words(only)}"
    yield from _unmeasured(comparison, everything)


def _in_words(quantities: Sequence[Quantity]) -> str:
    kinds: dict[str, list[str]] = {}
    for each in quantities[:_MOST_NAMED]:
        kinds.setdefault(each.what, []).append("/".join(each.of))
    names = (f"{what} of {', '.join(filter(None, of))}" for what, of in kinds.items())
    more = len(quantities) - _MOST_NAMED
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")


def _unmeasured(comparison: Comparison, everything: bool) -> Iterator[str]:
    """Yield why cases have no numbers: a line for each reason, or kind of reason."""
    old, new = comparison.before.reasons, comparison.after.reasons
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for of in dict.fromkeys([*old, *new]):
        same = old.get(of) == new.get(of)
        sides = (("A and B", old),) if same else (("A", old), ("B", new))
        for letter, why in ((letter, reasons.get(of)) for letter, reasons in sides):
            if why is not None:
                kind = why if everything else _NUMBER.sub("", why)
                lines.setdefault((letter, kind), {})["/".join(of)] = why
    for (letter, _), found in lines.items():
        first, *others = found.items()
        more = 0 if everything else len(found) - _MOST_NAMED
        names = [*found] if more <= 0 else [*found][:_MOST_NAMED]
        hidden = f" and {more} more (--all names them)" if more > 0 else ""
        alike = all(why == first[1] for _, why in others)
        why = first[1] if alike else f"{first[1]}; the others alike"
        yield f"not measured in {letter}: {', '.join(names)}{hidden}: {why}"


def markdown(comparison: Comparison, everything: bool = False) -> str:
    """Return a comparison for a pull request."""
    above = "".join(f"{line.replace('_', chr(92) + '_')}  \n" for line in header(comparison))
    text = to_markdown(tables(comparison, everything), notes(comparison, everything))
    return f"{above}\n{text}"


def to_json(comparison: Comparison, everything: bool = False, failed: Iterable[str] = ()) -> str:
    """Return a comparison as JSON: the rows that differ, or all of them."""
    rows = comparison.rows if everything else comparison.changed
    made = {
        "schema": _SCHEMA,
        "before": _side(comparison, "before"),
        "after": _side(comparison, "after"),
        "not_the_same": {name: list(both) for name, both in comparison.differing.items()},
        "rows": [_row(row) for row in rows],
        "rows_compared": len(comparison.rows),
        "only_before": [_quantity(each) for each in comparison.only_before],
        "only_after": [_quantity(each) for each in comparison.only_after],
        "over_limit": list(failed),
    }
    return json.dumps(made, indent=1) + "\n"


def _side(comparison: Comparison, which: str) -> dict[str, Any]:
    side = getattr(comparison, which)
    return {
        "name": side.name,
        "about": side.about,
        "basis": dict(side.basis),
        "unmeasured": [{"of": list(of), "reason": why} for of, why in side.reasons.items()],
    }


def _row(row: ComparedRow) -> dict[str, Any]:
    return {
        **_names(row.before),
        "before": _value(row.before.value, row.before),
        "after": _value(row.after.value, row.after),
        "difference": _value(row.difference, row.before),
        "ratio": row.ratio,
        "verdict": row.verdict,
        "another_program": row.another_program,
    }


def _names(quantity: Quantity) -> dict[str, Any]:
    return {"what": quantity.what, "of": list(quantity.of), "unit": quantity.unit}


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {**_names(quantity), "value": _value(quantity.value, quantity)}


def _value(value: Interval, quantity: Quantity) -> dict[str, float]:
    bounded = quantity.known and not quantity.exact
    bounds = {"low": value.low, "high": value.high, "confidence": value.confidence}
    return {"estimate": value.estimate, **(bounds if bounded else {})}
