"""What workloads pass, for people: rows and notes of the record of ``workloads``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table, table_lines
from ebpf_overhead.workload.workloads import WORKLOADS

_HEADINGS = ("Workload", "A call passes")
# Each follows the beginning or a comma.
_NAMES = re.compile(r"(?:(?<=^)|(?<=, ))([^ ,]+)")
_WIDTH = max(map(len, WORKLOADS)) + 2


def lines(record: Record) -> Iterator[str]:
    """Yield the lines of a record for a terminal: a row per workload, then the notes."""
    yield from (f"{name:{_WIDTH}}{passed}" for name, passed in _rows(record))
    yield from _notes(record)


def markdown(record: Record) -> str:
    """Return the same in Markdown."""
    rows = [(f"`{name}`", _NAMES.sub(r"`\1`", passed)) for name, passed in _rows(record)]
    table = table_lines(Table("", _HEADINGS, [*rows], words=(0, 1)))
    notes = [f"- {line}" for line in _notes(record)]
    return "\n".join([*table, *([""] if notes else []), *notes]) + "\n"


def differs(record: Record) -> bool:
    """Return whether anything was counted otherwise than the list says."""
    return any(map(_differing, record["cases"]))


def _rows(record: Record) -> list[tuple[str, str]]:
    return [(case["workload"], ", ".join(map(_passed, case["passes"]))) for case in record["cases"]]


def _passed(row: dict[str, Any]) -> str:
    """Return ``vfs_read 2``; ``sched:sched_switch ?`` where it differs from call to call."""
    name = row["point"].removeprefix("tracepoint:").removeprefix("syscall:")
    times = "?" if row["times"] is None else str(row["times"])
    if "average" in row and row["times"] is None:
        times = f"about {row['average']:.3g}"
    elif "average" in row and not _agrees(row):
        times = f"{row['average']:g} instead of {times}"
    return f"{name} {times}" if times != "1" else name


def _agrees(row: dict[str, Any]) -> bool:
    return "average" not in row or row["times"] is None or row.get("counted") == row["times"]


def _differing(case: dict[str, Any]) -> list[str]:
    return [_passed(row) for row in case["passes"] if not _agrees(row)]


def _notes(record: Record) -> list[str]:
    notes = [
        f"{case['workload']}: counted otherwise than the list says: {', '.join(differing)}"
        for case in record["cases"]
        if (differing := _differing(case))
    ]
    notes += [
        f"{case['workload']}: {case['reason']}" for case in record["cases"] if "reason" in case
    ]
    reasons = {
        row["point"]: row["reason"]
        for case in record["cases"]
        for row in case["passes"]
        if "reason" in row
    }
    by_reason: dict[str, list[str]] = {}
    for point, reason in reasons.items():
        by_reason.setdefault(reason.replace(point, "it"), []).append(point)
    notes += [f"not counted: {', '.join(points)}: {why}" for why, points in by_reason.items()]
    if any(row["times"] is None for case in record["cases"] for row in case["passes"]):
        notes.append("? or about: it differs from call to call")
    return notes
