"""A record as text for other programs: JSON, CSV, Markdown, Go benchmark lines, OpenMetrics."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ebpf_overhead.cases import ATTACH_TYPES, PROGRAMS
from ebpf_overhead.report.metrics import of_measure
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.rows import Table
from ebpf_overhead.report.tables import notes, tables

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_GO_UNITS = {"ns": "ns/op", "instructions": "instructions/op"}

_CSV_COLUMNS = (
    "target",
    "attach",
    "program",
    "status",
    "reason",
    "unit",
    "baseline.median",
    "probed.median",
    "overhead.estimate",
    "overhead.low",
    "overhead.high",
    "overhead_percent.estimate",
    "calls",
    "hits",
    "runs_per_call",
    "foreign_hits",
    "missed",
    "lost_updates",
    "windows",
    "stopped_by",
    "bystander.call",
    "bystander.process",
    "residue.estimate",
    "beside.programs",
    "beside.together",
)


def to_json(record: Record) -> str:
    """Return the record itself, every sample included."""
    return json.dumps(record, indent=1) + "\n"


def to_csv(record: Record) -> str:
    """Return one line a case, with a header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.replace(".", "_") for column in _CSV_COLUMNS)
    for case in record["cases"]:
        writer.writerow(_lookup(case, column) for column in _CSV_COLUMNS)
    return stream.getvalue()


def to_markdown(record: Record) -> str:
    """Return the reference's tables in Markdown."""
    return "\n".join(_markdown_tables(record))


def _markdown_tables(record: Record) -> Iterator[str]:
    for table in tables(record):
        yield f"**{table.title}**\n"
        yield from table_lines(table)
        yield ""
    for note in notes(record):
        escaped = note.replace("*", "\\*").replace("_", "\\_")
        yield f"- {escaped}"
    yield ""


def table_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown, without its title."""
    yield "| " + " | ".join(table.headings) + " |"
    yield "| --- |" + " --: |" * (len(table.headings) - 1)
    for row in table.rows:
        yield "| " + " | ".join(cell.replace("*", "\\*") for cell in row) + " |"


def to_gobench(record: Record) -> str:
    """Return lines as ``go test -bench`` prints them, for ``benchstat``.

    Every block of windows is a line of its own, so that benchstat has samples to test.
    The unprobed call is ``BenchmarkGetpidWithoutAnyProbes``, as in the reference.
    """
    machine = record["machine"]
    architecture = machine["kernel"]["architecture"]
    lines = ["goos: linux", f"goarch: {_GO_ARCHITECTURES.get(architecture, architecture)}"]
    if machine["cpu"]["model"]:
        lines.append(f"cpu: {machine['cpu']['model']}")
    for case in record["cases"]:
        if case["status"] == "measured":
            lines += _go_lines(case, "baseline") + _go_lines(case, "probed")
    return "\n".join(lines) + "\n"


def _go_lines(case: dict[str, Any], which: str) -> list[str]:
    timed = case.get("bystander", {}).get("call", case["target"])
    name = f"Benchmark{timed.title().replace('_', '')}"
    if "bystander" in case:
        elsewhere = "Elsewhere" if case["bystander"]["process"] == "other" else ""
        name += f"{elsewhere}Beside{case['target'].title().replace('_', '')}"
    if which == "baseline":
        name += "WithoutAnyProbes"
    else:
        attach, program = case["attach"], case["program"]
        known = ATTACH_TYPES.get(attach)
        name += known.go_name if known else attach.title().replace("_", "")
        own = "".join(filter(str.isalnum, program.title()))  # a name of one word
        name += f"With{PROGRAMS[program].go_name if program in PROGRAMS else own}"
    if "beside" in case:
        name += "Together" if case["beside"]["together"] else "Beside"
        name += _lookup(case, "beside.programs").replace(" ", "")
    per_block = case["windows_per_block"]
    blocks = np.median(np.reshape(case["samples"][which], (-1, per_block)), axis=1)
    calls = per_block * case["calls_per_window"]
    return [f"{name}/{timed}\t{calls}\t{value:.4g} {_GO_UNITS[case['unit']]}" for value in blocks]


def _lookup(case: dict[str, Any], path: str) -> Any:
    value: Any = case
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict):  # of numbers: fentry:3 kprobe:1
        return " ".join(f"{name}:{number}" for name, number in value.items())
    return "" if value is None else value


FORMATS: dict[str, Callable[[Record], str]] = {
    "markdown": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "gobench": to_gobench,
    "openmetrics": of_measure,
}
