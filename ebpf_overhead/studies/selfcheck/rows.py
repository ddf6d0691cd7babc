"""The record of a self-check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.errors import ExitStatus, status_of
from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.report.gathering import exit_status
from ebpf_overhead.studies.selfcheck.comparing import Comparing
from ebpf_overhead.studies.selfcheck.judging import Check
from ebpf_overhead.studies.selfcheck.run import Uncheckable


@dataclass(frozen=True, kw_only=True)
class SelfcheckHead(record.Head):
    """A record of checks.

    Attributes
    ----------
    attach : str
        Attach type of the probes.
    thorough : bool
        Whether comparisons were made by the hundred.
    """

    attach: str
    thorough: bool


@dataclass(frozen=True, kw_only=True)
class UncheckedPart(record.Unmeasured):
    """A part of which some checks could not be made.

    Attributes
    ----------
    part : str
        Its name.
    """

    part: str


@dataclass(frozen=True, kw_only=True)
class CheckRow(record.Measured):
    """A check.

    Attributes
    ----------
    part : str
        Which part it belongs to.
    check : str
        What was looked at.
    unit : str
        Of all numbers of the row.
    seen : float
        What was found.
    expected : float or None
        What should be found; null where nothing tells.
    low, high : float or None
        What is allowed; null for no bound.
    comparisons : int
        How many were made.
    passed : bool or None
        Whether it is as allowed; null where nothing is to be judged.
    """

    part: str
    check: str
    unit: str
    seen: float
    expected: float | None
    low: float | None
    high: float | None
    comparisons: record.Positive
    passed: bool | None


ROWS = (CheckRow, UncheckedPart)


def make_record(found: Iterable[Check | Uncheckable], attach: str, how: Comparing) -> record.Record:
    """Return the record of a run."""
    head = SelfcheckHead(study="selfcheck", phases_s=spent(), attach=attach, thorough=how.thorough)
    return record.make(head, map(_row, found))


def _row(found: Check | Uncheckable) -> CheckRow | UncheckedPart:
    if isinstance(found, Check):
        return record.filled(CheckRow, found, status="measured", reason=None, remedy=None)
    error = found.error
    return UncheckedPart(
        part=found.part,
        status=status_of(error),  # type: ignore[arg-type]
        reason=error.what,
        remedy=error.remedy or None,
    )


def status(made: record.Record) -> ExitStatus:
    """Return the exit status that a record deserves: a check that did not pass is a failed case."""
    if any(case.get("passed") is False for case in made["cases"]):
        return ExitStatus.CASE_FAILED
    return exit_status(made)
