"""What it takes to attach to many points, as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.attach_latency.many_run import OPERATIONS

_SWITCHES = OPERATIONS[1:]
_WHAT = ("Attach type", "Points")


def of_many(record: Record) -> bool:
    """Whether a record is of attaching to many points."""
    return any("count" in case for case in record["cases"])


def name_of(case: dict[str, Any]) -> str:
    """Return what messages call a case: its attach type, and to how many points it is attached."""
    if "count" not in case:
        return str(case["attach"])
    return f"{_what(case)[0]}, {case['count']:,} points"


def tables(record: Record) -> list[Table]:
    """Return the tables of a record: what each operation takes, and what calls wait."""
    cases = measured(record)
    counted = any(case["cpu_unit"] == "instructions" for case in cases)
    return _counted(cases) if counted else _timed(record, cases)


def _counted(cases: list[dict[str, Any]]) -> list[Table]:
    rows = [
        (
            *_what(case),
            *(_short(case["operations"][name]["cpu"]["estimate"] / 1e6) for name in OPERATIONS),
            *(_short(case["operations"][name]["machine"] / 1e6) for name in _SWITCHES),
        )
        for case in cases
    ]
    heads = (*_WHAT, *OPERATIONS, *(f"{name}, all threads" for name in _SWITCHES))
    title = "millions of instructions of the thread that attaches, and of all threads"
    return [Table(title, heads, rows, words=(0,))]


def _timed(record: Record, cases: list[dict[str, Any]]) -> list[Table]:
    rows = [(*_what(case), *_times(case, "elapsed_ns"), *_times(case, "cpu")[1:]) for case in cases]
    heads = (*_WHAT, *OPERATIONS, *(f"{name} CPU" for name in _SWITCHES))
    made = [Table("what it takes, and of it on a CPU in this thread, ms", heads, rows, words=(0,))]
    if record["no_gaps"]:
        return made
    gaps = [(*_what(case), *_gaps(case)) for case in cases]
    heads = (*_WHAT, *(head for name in _SWITCHES for head in (name, "without")))
    return [
        *made,
        Table(
            "longest gap between two calls of a round, and in as long a time without, ms",
            heads,
            gaps,
            words=(0,),
        ),
    ]


def _what(case: dict[str, Any]) -> tuple[str, ...]:
    return f"{case['attach']}{', one link' * case['one_link']}", f"{case['count']:,}"


def _times(case: dict[str, Any], quantity: str) -> tuple[str, ...]:
    found = (case["operations"][name][quantity]["estimate"] for name in OPERATIONS)
    return tuple(_short(each / 1e6) for each in found)


def _gaps(case: dict[str, Any]) -> tuple[str, ...]:
    gaps = (case["operations"][name]["gap_ns"] for name in _SWITCHES)
    return tuple(_short(gap[which] / 1e6) for gap in gaps for which in ("median", "control_median"))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"
