"""A record as text for other programs: JSON, CSV, Go benchmark lines; tables as Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ebpf_overhead.architectures import ARCHITECTURES
from ebpf_overhead.hooks.cases import ATTACH_TYPES, PROGRAMS
from ebpf_overhead.measure.stats import median
from ebpf_overhead.report.metrics import of_measure
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table, table_lines

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
    "kernel",
)


def to_json(record: Record) -> str:
    """Return the record itself, every sample included."""
    return json.dumps(record, indent=1) + "\n"


def to_csv(record: Record) -> str:
    """Return one line per case, after a header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.replace(".", "_") for column in _CSV_COLUMNS)
    for case in record["cases"]:
        writer.writerow(_lookup(case, column) for column in _CSV_COLUMNS)
    return stream.getvalue()


def to_markdown(tables: Iterable[Table], notes: Iterable[str]) -> str:
    """Return tables and notes in Markdown."""
    return "\n".join(_markdown_lines(tables, notes))


def _markdown_lines(tables: Iterable[Table], notes: Iterable[str]) -> Iterator[str]:
    for table in tables:
        yield f"**{table.title}**\n"
        yield from table_lines(table)
        yield ""
        for line in table.below:
            yield f"{_escaped(line)}\n"
    for note in notes:
        yield f"- {_escaped(note)}"
    yield ""


def _escaped(text: str) -> str:
    return text.replace("*", "\\*").replace("_", "\\_")


def to_gobench(record: Record) -> str:
    """Return lines as ``go test -bench`` prints them, for ``benchstat``.

    Every block of windows is a line of its own, so that benchstat has samples to test.
    The unprobed call is ``BenchmarkGetpidWithoutAnyProbes``, as in the reference.
    """
    machine = record["machine"]
    architecture = machine["kernel"]["architecture"]
    known = ARCHITECTURES.get(architecture)
    lines = ["goos: linux", f"goarch: {known.debian if known else architecture}"]
    if machine["cpu"]["model"]:
        lines.append(f"cpu: {machine['cpu']['model']}")
    kernel = None
    for case in record["cases"]:
        if case["status"] == "measured":
            if case.get("kernel") != kernel:  # benchstat compares what is below such lines
                kernel = case["kernel"]
                lines.append(f"kernel: {kernel}")
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
    samples = case["samples"][which]
    starts = range(0, len(samples), per_block)
    blocks = [median(samples[start : start + per_block]) for start in starts]
    calls = per_block * case["calls_per_window"]
    return [f"{name}/{timed}\t{calls}\t{value:.4g} {_GO_UNITS[case['unit']]}" for value in blocks]


def _lookup(case: dict[str, Any], path: str) -> Any:
    value: Any = case
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict):  # of numbers: fentry:3 kprobe:1
        return " ".join(f"{name}:{number}" for name, number in value.items())
    return "" if value is None else value


# Those that need nothing but the record; Markdown has tables, which the record's study makes.
FORMATS: dict[str, Callable[[Record], str]] = {
    "csv": to_csv,
    "json": to_json,
    "gobench": to_gobench,
    "openmetrics": of_measure,
}
