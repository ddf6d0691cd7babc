"""``ebpf-overhead workloads``: what can be called, and which attach points a call passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console

from ebpf_overhead.cli import options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.measure import preflight
from ebpf_overhead.report.console import print_line
from ebpf_overhead.report.formats import to_json
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table, table_lines
from ebpf_overhead.tools.passes.counting import counted, known_places
from ebpf_overhead.tools.passes.record import make_record
from ebpf_overhead.workload.workloads import WORKLOADS

_EXAMPLES = """
\b
Examples:
  ebpf-overhead workloads
  ebpf-overhead workloads --count openat_close exec
  ebpf-overhead workloads --count --kernel 6.12 --format markdown

Exit status: 0 shown, 1 counted otherwise than the list says, 2 bad use, 3 nothing can be counted.
"""
_HEADINGS = ("Workload", "A call passes")
# Each follows the beginning or a comma.
_NAMES = re.compile(r"(?:(?<=^)|(?<=, ))([^ ,]+)")
_WIDTH = max(map(len, WORKLOADS)) + 2


@click.command(name="workloads", epilog=_EXAMPLES)
@click.argument("names", nargs=-1, type=options.WORKLOAD, metavar="[WORKLOAD]...")
@click.option("--count", is_flag=True, help="Count it here, with a probe on each attach point.")
@options.kernel
@options.result("table", "json", "markdown")
def command(names: tuple[str, ...], count: bool, kernel: str | None, output: Output) -> None:
    """List the workloads, and which attach points a call of each passes how often.

    System calls, tracepoints and main functions of the kernel, also in tasks that a call starts.
    What is counted for one workload is counted for all that are named.
    """
    if kernel is not None and not count:
        raise BadUseError("the list is the same on every kernel", "count there: --count")
    chosen = [WORKLOADS[name] for name in names or WORKLOADS if WORKLOADS[name].syscall]
    if kernel is not None:
        record = run_in_guest(kernel)
    elif count:
        preflight.check()
        with counted(known_places(chosen)) as counter:
            record = make_record(chosen, counter)
    else:
        record = make_record(chosen)
    output.deliver(record, _print, _FORMATS)
    output.end(_status(record))


def _status(record: Record) -> ExitStatus:
    return ExitStatus.CASE_FAILED if any(map(_differing, record["cases"])) else ExitStatus.MEASURED


def _print(record: Record, console: Console) -> None:
    for name, passed in _rows(record):
        print_line(console, f"{name:{_WIDTH}}{passed}")
    for line in _notes(record):
        print_line(console, line)


def _markdown(record: Record) -> str:
    rows: list[tuple[str, ...]] = []
    for name, passed in _rows(record):
        rows.append((f"`{name}`", _NAMES.sub(r"`\1`", passed)))
    lines = list(table_lines(Table("", _HEADINGS, rows, words=(0, 1))))
    notes = [f"- {line}" for line in _notes(record)]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


_FORMATS: Mapping[str, Callable[[Record], str]] = {"markdown": _markdown, "json": to_json}


def _rows(record: Record) -> list[tuple[str, ...]]:
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
