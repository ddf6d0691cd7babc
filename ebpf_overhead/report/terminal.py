"""Tables for people, on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ebpf_overhead.report.record import Record
from ebpf_overhead.report.rows import Table
from ebpf_overhead.report.tables import notes, tables


def print_tables(record: Record, console: Console) -> None:
    """Print the tables of a record and what proves them.

    Parameters
    ----------
    record : dict
        A run's record.
    console : rich.console.Console
        Where to print.
    """
    for table in tables(record):
        console.print(_rich_table(table))
    for note in notes(record):
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 1)))
    console.print()
    console.print(_summary(record), highlight=False)


def _rich_table(table: Table) -> RichTable:
    rich = RichTable(
        title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for index, heading in enumerate(table.headings):
        # In two lines, so that the longest names fit in 80 columns.
        heading = heading.replace("Overhead ", "Overhead\n").replace(" (", "\n(")
        heading = heading.replace("Beside ", "Beside\n").replace("With ", "With\n")
        rich.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
    for row in table.rows:
        unmeasured = row[1] == "n/a"
        rich.add_row(*row, style="dim" if unmeasured else None)
    return rich


def _summary(record: Record) -> str:
    measured = [case for case in record["cases"] if case["status"] == "measured"]
    kernel = record["machine"]["kernel"]["release"]
    text = f"{len(measured)} of {len(record['cases'])} cases measured on kernel {kernel}"
    if all("hits" in case for case in measured):
        hits = sum(case["hits"] // case["runs_per_call"] for case in measured)
        calls = sum(case["calls"] for case in measured)
        foreign = sum(case["foreign_hits"] or 0 for case in measured)
        text += f"; {hits} hits for {calls} counted calls, {foreign} foreign hits told apart"
        loadings = sum(case.get("loadings", 1) for case in measured)
        if loadings > len(measured):
            text += f"; {loadings} loadings, each seen to run"
    if "phases_s" in record:
        spent = record["phases_s"]
        parts = [f"{name} {seconds:.1f}" for name, seconds in spent.items() if name != "total"]
        text += f"\n{spent['total']:.1f} s in all ({', '.join(parts)})"
    return text
