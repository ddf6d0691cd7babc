"""Tables for people, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from ebpf_overhead.report.console import print_line, print_table
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.several_kernels import kernels
from ebpf_overhead.report.table import Table


def print_tables(tables: Iterable[Table], notes: Iterable[str], console: Console) -> None:
    """Print tables and the notes below them.

    Parameters
    ----------
    tables : iterable of Table
        What to print.
    notes : iterable of str
        What there is to say about them, one line each.
    console : rich.console.Console
        Where to print.
    """
    for table in tables:
        unmeasured = [number for number, row in enumerate(table.rows) if row[1] == "n/a"]
        print_table(
            console,
            table.headings,
            table.rows,
            title=table.title,
            dim=unmeasured,
            words=table.words,
        )
        for line in table.below:
            print_line(console, line)
        if table.below:
            console.print()
    for note in notes:
        print_line(console, note, "dim")


def print_summary(record: Record, console: Console) -> None:
    """Print how many cases were measured, what proves them, and how long it took."""
    console.print()
    print_line(console, _summary(record))


def _summary(record: Record) -> str:
    cases = measured(record)
    kernel = ", ".join(kernels(record))
    text = f"{len(cases)} of {len(record['cases'])} cases measured on kernel {kernel}"
    if variant := record.get("guest", {}).get("variant"):
        text += f" ({variant})"
    if "processes" in record:
        text += f", in {record['processes']} processes"
    if all({"hits", "runs_per_call"} <= case.keys() for case in cases):
        hits = sum(case["hits"] // case["runs_per_call"] for case in cases)
        calls = sum(case["calls"] for case in cases)
        foreign = sum(case["foreign_hits"] or 0 for case in cases)
        text += f"; {hits} hits for {calls} counted calls, {foreign} foreign hits separated"
        loadings = sum(case.get("loadings", 1) for case in cases)
        if loadings > len(cases):
            text += f"; {loadings} loads"
            if not any("counted_by" in case for case in cases):
                text += ", each checked to run"
    if "phases_s" in record:
        spent = record["phases_s"]
        parts = [f"{name} {seconds:.1f}" for name, seconds in spent.items() if name != "total"]
        text += f"\n{spent['total']:.1f} s in all ({', '.join(parts)})"
    return text
