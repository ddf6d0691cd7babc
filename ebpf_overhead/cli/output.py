"""What commands with a record of their own share: where it goes, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.report.record import Record

_FORMATS: Mapping[str, Callable[[Record], str]] = {
    "json": lambda record: json.dumps(record, indent=1) + "\n"
}


def check_folder(output: Path | None) -> None:
    """Raise BadUseError, before anything is measured, where a result could not be written."""
    if output is not None and not output.absolute().parent.is_dir():
        raise BadUseError(f"{output.parent} is not a directory", "create it first")


def write_record(
    record: Record,
    format_name: str,
    output: Path | None,
    show: Callable[[Record, Console], None],
    formats: Mapping[str, Callable[[Record], str]] = _FORMATS,
) -> None:
    """Write a record in a format or, by ``show``, for people: to a file or standard output."""
    with click.open_file(str(output) if output else "-", "w", encoding="utf-8") as stream:
        if format_name in formats:
            stream.write(formats[format_name](record))
        else:
            show(record, Console(file=stream))


def exit_status(record: Record) -> ExitStatus:
    """Return the exit status that a run's results deserve."""
    statuses = {case["status"] for case in record["cases"]}
    if "failed" in statuses:
        return ExitStatus.CASE_FAILED
    if "measured" in statuses:
        return ExitStatus.MEASURED
    return ExitStatus.NOTHING_MEASURABLE


def print_table(console: Console, rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print rows, the first of which is the heading; all but the first column to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for index, heading in enumerate(rows[0]):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)
