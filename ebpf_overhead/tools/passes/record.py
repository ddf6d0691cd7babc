"""The record of ``workloads``: what each passes, as its row says and as it was counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.report.record import Count, Head, Record, to_record
from ebpf_overhead.tools.estimate.counting import Counter
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.passes.counting import Passes, expected, known_places, passes
from ebpf_overhead.workload.workloads import Workload


@dataclass(frozen=True, kw_only=True)
class PassedRow:
    """An attach point that a workload passes.

    Attributes
    ----------
    point : str
        System call, tracepoint or function, as ``estimate`` names them.
    times : int or None
        How often a call passes it, as the workload's row says; null where it differs.
    counted : int or None
        How often it did; null where it differs from call to call.  Absent where it was not counted.
    average : float, optional
        The same of all calls counted.
    reason : str, optional
        Why it was not counted.
    """

    point: str
    times: Count | None
    average: float | None = None
    counted: int | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class PassesCase:
    """A workload.

    Attributes
    ----------
    workload : str
        Its name.
    status : str
        Whether it was counted, or why not; ``listed`` where that was not asked for.
    reason : str, optional
        Why it cannot be called here.
    passes : list of PassedRow
        What a call of it passes.
    """

    workload: str
    status: Literal["listed", "measured", "unsupported"]
    reason: str | None = None
    passes: list[PassedRow]


@dataclass(frozen=True, kw_only=True)
class PassesRecord(Head):
    """A record of the command ``workloads``.

    Attributes
    ----------
    study : str
        Which tool this is.
    cases : list of PassesCase
        One per workload.
    """

    study: Literal["workloads"] = "workloads"
    cases: list[PassesCase]


def make_record(workloads: Sequence[Workload], counter: Counter | None = None) -> Record:
    """Return the record of what workloads pass: counted, if there is a counter."""
    return to_record(PassesRecord(cases=[_case(each, counter) for each in workloads]))


def _case(workload: Workload, counter: Counter | None) -> PassesCase:
    if counter is None:
        return PassesCase(
            workload=workload.name, status="listed", passes=list(_rows(workload, {}, {}))
        )
    reasons = {place: error.what for place, error in counter.refused.items()}
    try:
        found = passes(counter, workload)
    except OverheadError as error:
        rows = list(_rows(workload, {}, reasons))
        return PassesCase(
            workload=workload.name, status="unsupported", reason=error.what, passes=rows
        )
    return PassesCase(
        workload=workload.name, status="measured", passes=list(_rows(workload, found, reasons))
    )


def _rows(
    workload: Workload, found: dict[Place, Passes], reasons: dict[Place, str]
) -> Iterator[PassedRow]:
    said = expected(workload)
    for place in known_places():
        seen = found.get(place)
        if place in said or (seen is not None and seen.times != 0):
            yield PassedRow(
                point=str(place),
                times=said.get(place, 0),
                average=None if seen is None else round(seen.average, 3),
                counted=None if seen is None else seen.times,
                reason=reasons.get(place),
            )
