"""The studies by name, and what a record says by the study that it belongs to.

A study is a folder here with a module ``study`` that has it as ``STUDY``, and a row of
`STUDIES`.  It is imported when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.reading import convert, read_json
from ebpf_overhead.report import formats, terminal
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.schema import schema_of
from ebpf_overhead.report.table import Table
from ebpf_overhead.report.versions import upgraded
from ebpf_overhead.studies.study import Study

_T = TypeVar("_T")

# Name to the question, as the help of the command line has it.
STUDIES = {
    "grid": "what a probe costs, by attach type and program",
    "targets": "whether that depends on what the call itself costs",
    "bystanders": "what other system calls and other processes pay for a probe",
    "coattachment": "what several programs on one workload cost",
    "scaling": "what a probe costs when many CPUs call at once",
    "delivery": "what it costs to hand records to a reader, by rate and reader",
    "map-state": "what a map operation costs, by the map's fill and sizes",
    "attach-latency": "how long load, attach and detach take, and whether calls stall",
    "bpf-stats": "what the kernel's run statistics cost, and what they say about a probe",
    "decomposition": "which part of an overhead is the hook, which the program",
    "explain": "where the instructions of a probed call go, function by function",
    "validation": "whether predictions of estimate come true",
    "selfcheck": "whether the numbers that are measured here can be trusted",
}
_HERE = Path(__file__).parent


def _room(name: str) -> str:
    return name.replace("-", "_")


# Those that `plot` draws.
FIGURES = tuple(name for name in STUDIES if (_HERE / _room(name) / "figure.py").is_file())
# What a record without a study is: one of `measure`, or one that asv stored.
DEFAULT = "grid"
# Names that studies had in commands.
ALIASES = {"cohabitation": "coattachment"}


def load(name: str) -> Study:
    """Return the study of a name of `STUDIES` or `ALIASES`.

    Raises
    ------
    BadUseError
        There is none.
    """
    name = ALIASES.get(name, name)
    if name not in STUDIES:
        raise UnknownNameError("study", name, [*STUDIES, *ALIASES])
    study: Study = importlib.import_module(f"ebpf_overhead.studies.{_room(name)}.study").STUDY
    return study


def of(record: Record) -> Study:
    """Return the study that a record belongs to."""
    return load(record.get("study", DEFAULT))


def read_record(path: Path, remedy: str) -> Record:
    """Return a study's record that a command wrote as JSON, of any version.

    Parameters
    ----------
    path : Path
        The file.
    remedy : str
        How to make such a file.

    Raises
    ------
    BadUseError
        The file holds no record, or one that is damaged.
    """
    record = upgraded(read_json(path, Record, error=BadUseError, remedy=remedy), str(path))
    check_record(record, str(path), remedy)
    return record


def check_record(record: Record, name: str, remedy: str) -> None:
    """Check that a record is one of its study's.

    Parameters
    ----------
    record : dict
        The record, of the newest version.
    name, remedy : str
        What it is called in errors, and how to make one.

    Raises
    ------
    BadUseError
        It is damaged.
    """

    def check(value: object, kind: type[_T], where: str = "") -> _T:
        return convert(value, kind, f"{name}{where}", error=BadUseError, remedy=remedy)

    shape = check(record, _Shape)
    study = of(record)
    check(record, study.head)
    for number, case in enumerate(shape.cases):
        row = study.rows[case.get("status") != "measured"]
        check(case, row, f", case {number}")


@dataclass(frozen=True)
class _Kernel:
    release: str


@dataclass(frozen=True)
class _Machine:
    kernel: _Kernel


@dataclass(frozen=True)
class _Shape:
    """What every study's record has, and what tables and figures need of the machine."""

    study: str
    machine: _Machine
    cases: list[dict[str, Any]]


def schema(name: str = DEFAULT) -> dict[str, Any]:
    """Return the JSON schema of a study's records."""
    study = load(name)
    return schema_of(f"A record of ebpf-overhead: {name}", study.head, study.rows)


def tables(record: Record) -> list[Table]:
    """Return the tables of a record, for any format."""
    return of(record).tables(record)


def notes(record: Record) -> list[str]:
    """Return what there is to say about a record's rows, one line each."""
    return of(record).notes(record)


def to_markdown(record: Record) -> str:
    """Return a record's tables and notes in Markdown."""
    return formats.to_markdown(tables(record), notes(record))


def print_tables(record: Record, console: Console) -> None:
    """Print the tables of a record, and what proves them."""
    terminal.print_tables(tables(record), notes(record), console)
    terminal.print_summary(record, console)


# Of any study, and of those whose cases are rows of `report.case_rows`.
TABLE_FORMATS: Mapping[str, Callable[[Record], str]] = {
    "markdown": to_markdown,
    "json": formats.to_json,
}
FORMATS: Mapping[str, Callable[[Record], str]] = {"markdown": to_markdown, **formats.FORMATS}
