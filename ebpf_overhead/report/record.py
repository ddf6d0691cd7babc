"""The one record: what every command that measures writes as JSON.

Rows and heads are dataclasses.  JSON, its schema (:mod:`ebpf_overhead.report.schema`) and the
check of what is read (:mod:`ebpf_overhead.report.reader`) follow from them:

- a field without a default is always there, ``null`` if its value is None;
- a field that is given by its name only, and whose default is None, is left out where it is None;
- ``Annotated[type, (word, value)]`` adds a word of JSON schema, such as a least value;
- a field's line in the docstring is its description.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, cast

from ebpf_overhead import __version__
from ebpf_overhead.machine import describe
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.run_count_check import Hits

# What the versions are is in `reader`, with how the older ones are read.
SCHEMA_VERSION: Final = 2

Record = dict[str, Any]
Unit = Literal["ns", "instructions"]
Count = Annotated[int, ("minimum", 0)]
Positive = Annotated[int, ("minimum", 1)]
_Row = TypeVar("_Row")


@cache
def _this_machine() -> dict[str, Any]:
    return describe().as_dict()


@dataclass(frozen=True, kw_only=True)
class Head:
    """What every record begins with.

    Attributes
    ----------
    schema : int
        Version of the record's form.
    study : str
        The question that it answers, or the tool that wrote it.
    version : str
        Of ebpf-overhead.
    machine : dict
        What the machine is, as ``doctor --json`` prints it.
    guest : dict, optional
        What the guest was, if it was one: clock, accelerator, CPU model, QEMU.
    phases_s : dict of str to float, optional
        Seconds spent in each phase of the run.
    cut_short : str, optional
        What ended the run before all cases were measured.
    """

    schema: Literal[2] = SCHEMA_VERSION
    study: str
    version: str = __version__
    machine: dict[str, Any] = field(default_factory=_this_machine)
    guest: dict[str, Any] | None = None
    phases_s: dict[str, Annotated[float, ("minimum", 0)]] | None = None
    cut_short: str | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a case was; every row has it.

    Attributes
    ----------
    target : str
        The workload that is called.
    attach : str
        Attach type.
    program : str
        Program, of the catalogue or of a file.
    """

    target: str
    attach: str
    program: str


@dataclass(frozen=True, kw_only=True)
class Unmeasured:
    """Why a case has no numbers; its row has this.

    Attributes
    ----------
    status : str
        What became of it.
    reason : str
        The kernel's own, or what was seen, as it was when it was tried.
    remedy : str or None
        What would help.
    """

    status: Literal["unsupported", "refused", "failed"]
    reason: str
    remedy: str | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """That a case has numbers; its row has this."""

    status: Literal["measured"]
    reason: None
    remedy: None


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What proves that the program ran.

    Attributes
    ----------
    calls : int
        Calls of the workload that were made to prove that the program runs.
    hits : int
        Runs of the program that were caused by those calls.
    foreign_hits : int or None
        Runs that other tasks caused meanwhile; null where nothing could tell.
    """

    calls: Count
    hits: Count
    foreign_hits: int | None


@dataclass(frozen=True, kw_only=True)
class Proven(Counted):
    """The same with what the count is compared with.

    Attributes
    ----------
    hits_slack : int
        By how much ``hits`` is uncertain on a busy machine.
    runs_per_call : int
        Runs that one call should cause: hits = calls * runs_per_call.
    """

    hits_slack: Count
    runs_per_call: Positive


def proven(hits: Hits) -> dict[str, Any]:
    """Return the fields of `Proven`."""
    return {**counted(hits), "hits_slack": hits.slack, "runs_per_call": hits.runs_per_call}


def counted(hits: Hits) -> dict[str, Any]:
    """Return the fields of `Counted`."""
    return {"calls": hits.calls, "hits": hits.hits, "foreign_hits": hits.foreign_hits}


def outcome(result: Outcome) -> dict[str, Any]:
    """Return the fields of a row that say what the case was and what became of it."""
    return {
        "target": result.case.workload.name,
        "attach": result.case.attach.name,
        "program": result.case.program.name,
        "status": result.status,
        "reason": result.reason,
        "remedy": result.remedy,
    }


def filled(kind: type[_Row], *sources: object, **given: Any) -> _Row:
    """Return a row that has the values of the first source that has each, where not given.

    Parameters
    ----------
    kind : type
        The row's dataclass.
    *sources : object
        What was measured, with attributes of the same names.
    **given
        The fields of other names.
    """
    # Not `get_type_hints`: in a guest it takes longer than to measure a window.
    names = [each.name for each in dataclasses.fields(cast(Any, kind))]
    for source in sources:
        given = {name: getattr(source, name) for name in names if hasattr(source, name)} | given
    return kind(**given)


def make(head: Head, rows: Iterable[Any]) -> Record:
    """Return the record of a head and its rows, ready for JSON."""
    return {**to_record(head), "cases": [plain(row) for row in rows]}


def to_record(head: Head) -> Record:
    """Return a record without cases, ready for JSON."""
    record: Record = plain(head)
    return record


def left_out(field: dataclasses.Field[Any]) -> bool:
    """Whether a field is left out of JSON where it is None."""
    return field.kw_only and field.default is None


def plain(value: Any) -> Any:
    """Return a value with its dataclasses as dictionaries, ready for JSON."""
    if isinstance(value, (float, int, str)):  # Most of a record is samples.
        return value
    if dataclasses.is_dataclass(value):
        return {
            each.name: plain(found)
            for each in dataclasses.fields(value)
            if (found := getattr(value, each.name)) is not None or not left_out(each)
        }
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def measured(record: Record) -> list[dict[str, Any]]:
    """Return the rows that have numbers."""
    return [case for case in record["cases"] if case["status"] == "measured"]


def unmeasured(record: Record) -> list[dict[str, Any]]:
    """Return the rows that have a reason instead."""
    return [case for case in record["cases"] if case["status"] != "measured"]


def why_not(row: dict[str, Any]) -> str:
    """Return for people why a case has no numbers: ``refused: EPERM; run as root``."""
    remedy = f"; {row['remedy']}" if row["remedy"] else ""
    return f"{row['status']}: {row['reason']}{remedy}"


def caller(case: dict[str, Any]) -> str:
    """Return whose calls a row is about: ``getppid (other process)``."""
    seen = case.get("bystander")
    if seen is None:
        return f"{case['target']} itself"
    elsewhere = " (other process)" if seen["process"] == "other" else ""
    return f"{seen['call']}{elsewhere}"
