"""Tables of ``explain``: what a probe adds, by part of the call and by function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import Table
from ebpf_overhead.tools.profile.parts import Part

_Key = tuple[str, str]


class _Row(NamedTuple):
    """A function in a part of the call, with a count for each column."""

    name: str
    part: str
    counts: tuple[int, ...]


# The window's average may differ from a call's instructions by so much: its clock has two readings.
_AGREES = 0.5


def tables(record: Record) -> list[Table]:
    """Return one table: of a single case without and with the probe, of several what each adds."""
    cases = measured(record)
    if not cases:
        return []
    if not cases[1:]:
        return [_of_one(cases[0])]
    return [_of_several(cases)]


def notes(record: Record) -> list[str]:
    """Return whether the sums are what was measured, and why cases are missing."""
    lines = [_agreement(case) for case in measured(record)]
    lines += [f"{_name(case)}: {why_not(case)}" for case in unmeasured(record)]
    return lines


def agrees(case: dict[str, Any]) -> bool:
    """Whether the instructions that were stepped through are those that were measured."""
    difference: float = abs(case["probed"] - case["unprobed"] - case["measured"])
    return difference < _AGREES


def _agreement(case: dict[str, Any]) -> str:
    added, found = case["probed"] - case["unprobed"], case["measured"]
    what = f"{_name(case)}: stepped through {added:+,}, measured {found:+,.2f} per call"
    return what if agrees(case) else f"{what}: one call was stepped through, and not all are alike"


def _name(case: dict[str, Any]) -> str:
    return f"{case['attach']} {case['program']} on {case['target']}, {case['kernel']}"


def _of_one(case: dict[str, Any]) -> Table:
    rows = [
        _Row(row["name"], row["part"], (row["unprobed"], row["probed"]))
        for row in case["functions"]
    ]
    shown = [row for row in rows if row.counts[0] != row.counts[1]]
    return Table(
        f"{_name(case)}: instructions per call at {case['hook']}",
        ("Function", "without", "with", "added"),
        [
            (name, f"{before:,}", f"{after:,}", _signed(after - before))
            for name, (before, after) in _lines(rows, shown)
        ],
    )


def _of_several(cases: Sequence[dict[str, Any]]) -> Table:
    added = [_added(case) for case in cases]
    keys = dict.fromkeys(key for each in added for key in each)
    rows = [_Row(*key, tuple(each[key] for each in added)) for key in keys]
    shown = [row for row in rows if any(row.counts)]
    pair = len(cases) == 2
    return Table(
        "Instructions per call that each probe adds",
        ("Function", *_headings(cases), *(("difference",) if pair else ())),
        [
            (name, *map(_signed, counts), *((_signed(counts[1] - counts[0]),) if pair else ()))
            for name, counts in _lines(rows, shown)
        ],
    )


def _headings(cases: Sequence[dict[str, Any]]) -> list[str]:
    """Return what differs between cases, one heading each."""
    names = ("target", "attach", "program", "kernel")
    differing = [name for name in names if len({case[name] for case in cases}) > 1]
    return [" ".join(case[name] for name in differing or ("attach",)) for case in cases]


def _added(case: dict[str, Any]) -> Counter[_Key]:
    found: Counter[_Key] = Counter()
    for row in case["functions"]:
        found[row["name"], row["part"]] += row["probed"] - row["unprobed"]
    return found


def _lines(rows: Sequence[_Row], shown: Sequence[_Row]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the sum of each part, the functions of it that are shown, and the sum of all."""
    for part in Part:
        key = part.name.lower()
        if not (of_part := [row.counts for row in rows if row.part == key]):
            continue
        yield part.value, _sum(of_part)
        yield from ((f"  {row.name}", row.counts) for row in shown if row.part == key)
    yield "all", _sum([row.counts for row in rows])


def _sum(counts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True)))


def _signed(count: int) -> str:
    return f"{count:+,}" if count else ""
