"""What several programs on one workload cost, as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import UNIT_HEADINGS, Table, occupied, with_width

_Case = dict[str, Any]


def programs(case: _Case) -> int:
    """Return how many programs were on the workload of a row."""
    return 1 + sum(_beside(case).values())


def is_total(case: _Case) -> bool:
    """Whether a row is about all programs together, not about one more."""
    return not _beside(case) or bool(case["beside"]["together"])


def counted(record: Record) -> dict[str, list[_Case]]:
    """Return the rows with programs of one attach type only, by attach type."""
    found: dict[str, list[_Case]] = {}
    for case in record["cases"]:
        if not _beside(case).keys() - {case["attach"]}:
            found.setdefault(case["attach"], []).append(case)
    return found


def pairs(record: Record, together: bool = False) -> dict[tuple[str, str], _Case]:
    """Return the rows of two programs, by the attach types of the second and the first.

    They are about the second alone, or about both together.
    """
    return {
        (case["attach"], other): case
        for case in record["cases"]
        if programs(case) == 2 and is_total(case) is together
        for other in _beside(case)
    }


def _beside(case: _Case) -> dict[str, int]:
    others: dict[str, int] = case.get("beside", {}).get("programs", {})
    return others


def tables(record: Record) -> list[Table]:
    """Return the table of numbers of programs, or those of pairs of attach types."""
    if not record["cases"]:
        return []
    second, both = pairs(record), pairs(record, together=True)
    if all(one == other for one, other in second):
        return [_count_table(record)]
    return [
        _pair_table(record, second, "what a program adds beside another one", "Beside"),
        _pair_table(record, both, "what it costs together with the other one", "With"),
    ]


def _count_table(record: Record) -> Table:
    unit = UNIT_HEADINGS[record["cases"][0]["unit"]]
    rows: list[tuple[str, ...]] = []
    for attach, cases in counted(record).items():
        for number in sorted({programs(case) for case in cases}):
            at_number = [case for case in cases if programs(case) == number]
            total = next((case for case in at_number if is_total(case)), None)
            last = next((case for case in at_number if not is_total(case)), total)
            each = "n/a"
            if total is not None and total["status"] == "measured":
                each = f"{total['overhead']['estimate'] / number:.0f}"
            rows.append((attach + occupied(at_number), str(number), cell(last), cell(total), each))
    headings = ("Attach type", "Programs", "The last one adds", "All of them", "Each")
    return Table(f"programs on one target ({unit})", headings, rows)


def _pair_table(
    record: Record, found: dict[tuple[str, str], _Case], title: str, relation: str
) -> Table:
    unit = UNIT_HEADINGS[record["cases"][0]["unit"]]
    alone = {
        case["attach"]: case
        for case in record["cases"]
        if programs(case) == 1 and case["attach"] in {one for one, _ in found}
    }
    others = list(dict.fromkeys(other for _, other in found))
    rows: list[tuple[str, ...]] = []
    for one in dict.fromkeys(one for one, _ in found):
        own = {other: case for (first, other), case in found.items() if first == one}
        cells = [cell(own.get(other)) for other in others]
        mark = occupied([*own.values(), *filter(None, [alone.get(one)])])
        rows.append((one + mark, cell(alone.get(one)), *cells))
    headings = ("Program at", "Alone", *(f"{relation} {other}" for other in others))
    return Table(f"{title} ({unit})", headings, rows)


def cell(case: _Case | None) -> str:
    """Return a row's overhead, ``n/a`` where there is none."""
    if case is None or case["status"] != "measured":
        return "n/a"
    return with_width(Interval(**case["overhead"]))
