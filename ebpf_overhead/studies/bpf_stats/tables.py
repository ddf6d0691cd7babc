"""What run statistics cost and report, as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import UNIT_HEADINGS, Table, case_label, occupied, with_width
from ebpf_overhead.studies.grid import tables as grid

_Case = dict[str, Any]

HEADINGS = ("Case", "Overhead", "With statistics", "They cost", "They report")


def tables(record: Record) -> list[Table]:
    """Return a table per program and workload: a row per attach type."""
    found: dict[tuple[str, str], dict[str, dict[bool, _Case]]] = {}
    for case in record["cases"]:
        rows = found.setdefault((case["program"], case["target"]), {})
        rows.setdefault(case["attach"], {})["statistics" in case] = case
    return [
        _table(f"{program} on {target}", list(rows.values()))
        for (program, target), rows in found.items()
    ]


def _table(title: str, pairs: list[dict[bool, _Case]]) -> Table:
    unit = UNIT_HEADINGS[next(iter(pairs[0].values()))["unit"]]
    return Table(f"{title}, run statistics off and on ({unit})", HEADINGS, list(map(_row, pairs)))


def _row(pair: dict[bool, _Case]) -> tuple[str, ...]:
    off, on = (overhead(pair.get(which)) for which in (False, True))
    cost = None if off is None or on is None else on - off
    reported = pair.get(True, {}).get("run_time_reported")
    first = next(iter(pair.values()))
    return (
        case_label(first["attach"]) + occupied(pair.values()),
        *("n/a" if each is None else with_width(each) for each in (off, on, cost)),
        "n/a" if reported is None else f"{reported:.1f}",
    )


def overhead(case: _Case | None) -> Interval | None:
    """Return what a row's probe adds to a call; None where it was not measured."""
    return None if case is None or "overhead" not in case else Interval(**case["overhead"])


def notes(record: Record) -> list[str]:
    """Return what there is to say about the rows, but what the statistics report."""
    rows = [
        {name: value for name, value in case.items() if name != "run_time_reported"}
        for case in record["cases"]
    ]
    return grid.notes({**record, "cases": rows})
