"""The tables of several kernels: one per program and workload, a column per kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ebpf_overhead.report.record import Record
from ebpf_overhead.report.several_kernels import kernels
from ebpf_overhead.report.table import UNIT_HEADINGS, Table

Cases = list[dict[str, Any]]


def across(
    table: Table, cases: Cases, record: Record, label: Callable[[dict[str, Any]], str]
) -> Table:
    """Return the table of one program and workload on several kernels.

    Parameters
    ----------
    table : Table
        The same cases as the table of one kernel: for its title and the name of its baseline.
    cases : list of dict
        Those of the program and workload.
    record : dict
        That they are of.
    label : callable
        Names a case.
    """
    columns = kernels(record)
    found = {(label(case), case["kernel"]): case for case in cases}
    names = dict.fromkeys(map(label, cases))
    rows = [(table.rows[0][0], *(_baseline(cases, kernel) for kernel in columns))]
    rows += [
        (name, *(_overhead(found.get((name, kernel))) for kernel in columns)) for name in names
    ]
    unit = UNIT_HEADINGS[cases[0]["unit"]]
    return Table(f"{table.title}; overhead, {unit}", ("Case", *columns), rows)


def _baseline(cases: Cases, kernel: str) -> str:
    medians = [
        case["baseline"]["median"]
        for case in cases
        if case["kernel"] == kernel and "baseline" in case
    ]
    return f"{medians[0]:.1f}" if medians else "n/a"


def _overhead(case: dict[str, Any] | None) -> str:
    if case is None:
        return ""
    return f"{case['overhead']['estimate']:+.1f}" if "overhead" in case else case["status"]
