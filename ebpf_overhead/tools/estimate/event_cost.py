"""The cost per event of a probe, and reading such costs from a record of ``measure``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.reading import read_json


@dataclass(frozen=True)
class EventCost:
    """The cost per event of a probe, or why it is unknown.

    Attributes
    ----------
    attach, program : str
        The probe.
    overhead : Interval or None
        ns (or instructions) per event.
    origin : str
        ``measured now``, ``stored DATE``, or the name of a file.
    status, reason : str, str or None
        As in a record of ``measure``, where there is no overhead.
    instruction : str or None
        What a uprobe replaces; the cost depends on it.
    per_s : float or None
        Events per second at which it was measured, of a program that hands records to a reader;
        None for events that follow each other directly.
    caller_sleeps : bool or None
        Whether who passes the hook sleeps in between, where there is a rate.
    reader_idle : bool or None
        Whether a CPU was idle for the reader to be woken up on, where there is a rate.
    lost_share : float or None
        Share of the records that found no room meanwhile, 0..1.
    """

    attach: str
    program: str
    overhead: Interval | None
    origin: str
    status: str = "measured"
    reason: str | None = None
    instruction: str | None = field(default=None, kw_only=True)
    per_s: float | None = field(default=None, kw_only=True)
    caller_sleeps: bool | None = field(default=None, kw_only=True)
    reader_idle: bool | None = field(default=None, kw_only=True)
    lost_share: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class _ResultsKernel:
    release: str


@dataclass(frozen=True)
class _ResultsMachine:
    kernel: _ResultsKernel


@dataclass(frozen=True)
class _Measured:
    attach: str
    program: str
    status: str
    overhead: Interval | None = None
    target: str | None = None


@dataclass(frozen=True)
class _Results:
    """The parts of a record of ``measure`` that are used."""

    machine: _ResultsMachine
    cases: list[_Measured]


# By attach type, program and workload; by no workload for any.
GivenCosts = dict[tuple[str, str, str | None], EventCost]


def read_results(path: Path) -> GivenCosts:
    """Return the costs in a record of ``measure`` on the running kernel.

    Raises
    ------
    BadUseError
        It is no such record, or one of another kernel.
    """
    remedy = "make one with measure --format json -o FILE"
    record = read_json(path, _Results, error=BadUseError, remedy=remedy)
    release = record.machine.kernel.release
    if release != os.uname().release:
        raise BadUseError(
            f"{path} is of kernel {release}, this is {os.uname().release}",
            "measure on the kernel that is running",
        )
    found: GivenCosts = {}
    for case in record.cases:
        if case.status == "measured":
            cost = EventCost(case.attach, case.program, case.overhead, str(path))
            for workload in (case.target, None):
                found[case.attach, case.program, workload] = cost
    return found
