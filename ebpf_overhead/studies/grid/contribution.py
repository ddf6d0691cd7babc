"""Results of other people's machines: one run as a small file, checked by whoever takes it.

A contribution is a record of ``measure`` without its single windows, with the day on which it was
made.  It has what ``doctor`` says of the machine, and nothing else of it: no name of the machine,
of a user, of a process or of a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs.catalogue import PROGRAMS
from ebpf_overhead.reading import read_json
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.report.versions import upgraded
from ebpf_overhead.studies.registry import DEFAULT, check_record

_FORM = 1
_REMEDY = "make one with ebpf-overhead contribute"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# The folder of a file, in a uprobe's hook or in a reason: nobody's business.
_FOLDER = re.compile(r"(?<!\w)/\S*/")


@dataclass(frozen=True)
class Contribution:
    """One run on somebody's machine.

    Attributes
    ----------
    contribution : int
        Version of this form.
    date : str
        The day, ``2026-11-30``.
    record : dict
        The record, without windows.
    """

    contribution: int
    date: str
    record: Record

    @property
    def name(self) -> str:
        """Name for files and people: CPU and kernel."""
        machine = self.record["machine"]
        text = f"{machine['cpu']['model'] or 'unknown'} {machine['kernel']['release']}"
        return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")

    def to_json(self) -> str:
        """Return the text of its file."""
        return json.dumps(vars(self), indent=1) + "\n"


def contribution(record: Record, date: str) -> Contribution:
    """Return a record as a contribution.

    Parameters
    ----------
    record : dict
        One of ``measure``, from the running kernel.
    date : str
        When it was measured.

    Raises
    ------
    BadUseError
        It cannot be one, with the reason.
    """
    cases = [_without_windows(case) for case in record["cases"]]
    return _checked(Contribution(_FORM, date, {**record, "cases": cases}), "the record")


def read_contribution(path: Path) -> Contribution:
    """Return the contribution of a file.

    Raises
    ------
    BadUseError
        The file holds none, or one that proves nothing.
    """
    found = read_json(path, Contribution, error=BadUseError, remedy=_REMEDY)
    if found.contribution != _FORM:
        raise BadUseError(
            f"{path} has form {found.contribution}, and this version knows {_FORM}", _REMEDY
        )
    record = upgraded(found.record, str(path))
    return _checked(Contribution(_FORM, found.date, record), str(path))


def contents(found: Contribution) -> str:
    """Return for people what a contribution says of the machine."""
    facts = sorted(_flat(found.record["machine"]))
    return "\n".join(f"{name}: {value}" for name, value in facts)


def _checked(found: Contribution, where: str) -> Contribution:
    check_record(found.record, where, _REMEDY)
    if why := _objection(found):
        raise BadUseError(f"{where} cannot be contributed: {why}", _REMEDY)
    return found


def _objection(found: Contribution) -> str | None:
    """Return why a record is no contribution; None where it is one."""
    record = found.record
    rows = measured(record)
    if not _DATE.fullmatch(found.date):
        return f"its date is {found.date[:20]!r}"
    if record["study"] != DEFAULT or "guest" in record:
        return "it is not one of `measure` on the running kernel"
    if "cut_short" in record:
        return "it was interrupted"
    if not rows:
        return "nothing was measured"
    for row in record["cases"]:
        if row["program"] not in PROGRAMS:
            return f"{row['program']} is no program of this project"
    for row in rows:
        if row["unit"] != "ns":
            return f"{row['attach']} {row['program']} is not in ns"
        if abs(row["hits"] - row["calls"] * row["runs_per_call"]) > row["hits_slack"]:
            return (
                f"{row['attach']} {row['program']} ran {row['hits']} times for {row['calls']} calls"
            )
    return None


def _without_windows(case: dict[str, Any]) -> dict[str, Any]:
    kept = dict(case)
    if "samples" in kept:
        kept["samples"] = {"baseline": [], "probed": []}
    for name in ("hook", "reason", "remedy"):
        if kept.get(name):
            kept[name] = _FOLDER.sub("", kept[name])
    return kept


def _flat(facts: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name} ")
        elif value not in (None, "", []):
            yield f"{before}{name}", str(value)
