"""The record of a map's states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.report.case_rows import Overhead, OverheadHead
from ebpf_overhead.report.cases import with_overhead
from ebpf_overhead.studies.map_state.run import CellResult
from ebpf_overhead.workload import clock


@dataclass(frozen=True, kw_only=True)
class AskedState:
    """What a case was; its program is that of the state.

    Attributes
    ----------
    state : str
        See docs/map-state.md.
    operation : str
        How every run has to end.
    map_type : str
        Type of the map.
    key_bytes, value_bytes : int
        Sizes of a key and a value.
    entries : int
        How many keys the map has room for.
    keys_before, keys_after : int or None
        Keys in the map before the first run and after the last.
    runs : int or None
        Runs of the program on the measured CPU, timed or not.
    runs_as_stated : int or None
        Those that ended as the operation says: all, or the case has failed.
    evicted : int or None
        Keys that were dropped for others.
    target : str
        The workload that is called.
    attach : str
        Attach type.
    unit : str
        Of all values, per call.
    """

    state: str
    operation: Literal["none", "miss", "hit", "insert", "fail", "evict"]
    map_type: Literal["hash", "lru_hash"]
    key_bytes: record.Count
    value_bytes: record.Count
    entries: record.Count
    keys_before: int | None
    keys_after: int | None
    runs: int | None
    runs_as_stated: int | None
    evicted: int | None
    target: str
    attach: str
    unit: record.Unit


@dataclass(frozen=True, kw_only=True)
class UnmeasuredState(AskedState, record.Unmeasured):
    """A state that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredState(AskedState, Overhead):
    """A state with its overhead."""


ROWS = (MeasuredState, UnmeasuredState)


def make_record(results: Iterable[CellResult], sampling: Sampling) -> record.Record:
    """Return the record of a run."""
    head = OverheadHead(study="map-state", phases_s=spent(), options=sampling)
    return record.make(head, map(_row, results))


def _row(found: CellResult) -> MeasuredState | UnmeasuredState:
    cell, outcomes, measured = found.cell, found.outcomes, found.result.measurement
    asked = {
        **record.outcome(found.result),
        "unit": clock.current().unit,
        "state": cell.state.name,
        "map_type": cell.state.kind.name.lower(),
        "runs": outcomes and outcomes.runs,
        "runs_as_stated": outcomes and outcomes.done,
    }
    del asked["program"]  # It is that of the state.
    sources = (found, cell.state, cell.size)
    if measured is None:
        return record.filled(UnmeasuredState, *sources, **asked)
    return with_overhead(MeasuredState, measured, *sources, **asked)
