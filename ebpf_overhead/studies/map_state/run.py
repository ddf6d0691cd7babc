"""Measuring the states of a map, and checking that they were what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.studies.map_state.filled import FilledProgram, Outcomes, filled, program_for
from ebpf_overhead.studies.map_state.states import Size, State
from ebpf_overhead.workload.workloads import GETPID


@dataclass(frozen=True)
class Cell:
    """A state at a size, at an attach type.

    Attributes
    ----------
    state : State
        How full the map is, and what a run does.
    size : Size
        The map's sizes.
    attach : str
        Attach type.
    """

    state: State
    size: Size
    attach: str

    @property
    def name(self) -> str:
        """Name for people: ``warm_hit/8/8/1024``."""
        return f"{self.state.name}/{self.size.name}"

    @property
    def case(self) -> Case:
        """The case that is measured."""
        return Case(GETPID, ATTACH_TYPES[self.attach], program_for(self.state.operation))


@dataclass(frozen=True)
class CellResult:
    """What a cell costs.

    Attributes
    ----------
    cell : Cell
        What was measured.
    result : Result
        Its overhead, or why there is none.
    outcomes : Outcomes or None
        How the runs of the program ended.
    keys_before, keys_after : int or None
        Keys in the map.
    """

    cell: Cell
    result: Result
    outcomes: Outcomes | None = None
    keys_before: int | None = None
    keys_after: int | None = None

    @property
    def evicted(self) -> int | None:
        """How many keys were dropped for others."""
        if self.outcomes is None or self.keys_before is None or self.keys_after is None:
            return None
        inserted = self.outcomes.done if self.cell.state.operation == "evict" else 0
        return self.keys_before + inserted - self.keys_after


def cells(states: Iterable[State], sizes: Iterable[Size], attach: str) -> list[Cell]:
    """Return the cells, size by size; those that a map of the size cannot be in are left out."""
    states = list(states)
    return [Cell(state, size, attach) for size in sizes for state in states if state.possible(size)]


def measure(
    wanted: Iterable[Cell],
    sampling: Sampling,
    progress: Callable[[Cell, float], None] = lambda cell, share: None,
) -> Iterator[CellResult]:
    """Measure cells one after the other.

    Yields
    ------
    CellResult
        One a cell, in order; never an exception for what this kernel cannot do.
    """
    for cell in wanted:
        yield _measure_cell(cell, sampling, progress)


def _measure_cell(
    cell: Cell,
    sampling: Sampling,
    progress: Callable[[Cell, float], None],
) -> CellResult:
    try:
        with filled(cell.state, cell.size, choose_cpu(sampling.cpu)) as program:
            return _measure_filled(cell, program, sampling, progress)
    except OverheadError as error:
        return CellResult(cell, Result.of_error(cell.case, error))


def _measure_filled(
    cell: Cell,
    program: FilledProgram,
    sampling: Sampling,
    progress: Callable[[Cell, float], None],
) -> CellResult:
    before = program.entries()

    def report(case: Case, share: float) -> None:
        progress(cell, share)

    result = measure_case(cell.case, sampling, report, compiled=program)
    found = CellResult(cell, result, program.outcomes(), before, program.entries())
    if result.measurement is not None:
        try:
            _check(found, result.measurement)
        except FailedError as error:
            return replace(found, result=Result.of_error(cell.case, error))
    return found


def _check(found: CellResult, measurement: Measurement) -> None:
    """Raise FailedError unless every run ended as the state says, and the map stayed as it was."""
    assert found.outcomes is not None
    name, samples, outcomes = found.cell.name, measurement.samples, found.outcomes
    least = measurement.hits.hits + len(samples.probed) * samples.calls_per_window
    if outcomes.runs < least:
        raise FailedError(f"{name} looked a key up {outcomes.runs} times in {least} runs or more")
    if outcomes.done != outcomes.runs:
        operation = found.cell.state.operation
        raise FailedError(f"{name}: {outcomes.done} of {outcomes.runs} runs ended in {operation}")
    if found.cell.state.operation == "evict":
        if not found.evicted:
            raise FailedError(f"{name} dropped no key in {outcomes.runs} runs")
    elif found.keys_after != found.keys_before or found.keys_before != found.cell.state.keys(
        found.cell.size
    ):
        raise FailedError(f"{name}: {found.keys_before} keys before, {found.keys_after} after")
