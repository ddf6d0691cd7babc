"""Rounds of off, on, on, off: a tool is started and stopped in each of them.

What drifts steadily adds as much to the windows with the tool as it takes from them.  Each round
calls from another thread, because kernel stacks lie elsewhere; within a round it is one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from ebpf_overhead.bpf.objects import KernelProgram, program
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.tools.impact.counting import ProgramRuns, count_runs
from ebpf_overhead.tools.impact.presence import (
    Loaded,
    Patience,
    Presence,
    require_programs,
    wait_until_gone,
    wait_until_ready,
)
from ebpf_overhead.tools.impact.segments import Segment, Turn, WorkloadTurns
from ebpf_overhead.tools.impact.starting import StartedTool, ToolLaunch
from ebpf_overhead.tools.impact.usage import ProcessUsage, usage_of
from ebpf_overhead.tools.top.inventory import Inventory, ProgramDetails
from ebpf_overhead.tools.top.monitor import Statistics
from ebpf_overhead.workload.calling_threads import CallingThreads

# The kernel frees what a tool had some time after it is gone, which calls pay for meanwhile.
_SETTLING_S = 0.5


@dataclass(frozen=True)
class ImpactQuestion:
    """What is asked.

    Attributes
    ----------
    launch : ToolLaunch
        The tool.
    windows : WorkloadTurns
        The workloads.
    patience : Patience
        When it is ready.
    rounds : int
        How many there are.
    segment_s : float
        Seconds of each quarter of a round.
    """

    launch: ToolLaunch
    windows: WorkloadTurns
    patience: Patience = field(default_factory=Patience)
    rounds: int = 12
    segment_s: float = 0.6


@dataclass(frozen=True)
class Life:
    """A tool in a round.

    Attributes
    ----------
    programs : int
        Number of its BPF programs.
    ready_s, gone_s : float
        Seconds from its start until it was ready, and from its end until it was gone.
    cpu_share : float
        CPU time of its processes while workloads ran, as a share of one core.
    cpu_s : float
        Their CPU time from its start to its end.
    resident_bytes : int
        Their resident memory at the end.
    missed : int
        Runs of its programs that the kernel skipped meanwhile.
    ended : bool
        Whether it ended by itself.
    changed : bool
        Whether it loaded or dropped programs meanwhile.
    """

    programs: int
    ready_s: float
    gone_s: float
    cpu_share: float
    cpu_s: float
    resident_bytes: int
    missed: int
    ended: bool
    changed: bool


@dataclass(frozen=True)
class Round:
    """A round.

    Attributes
    ----------
    before, after : Segment
        Without the tool.
    on : tuple of Segment and Segment
        With it.
    life : Life
        The tool meanwhile.
    runs : list of ProgramRuns or None
        Its programs, where they were counted.
    not_counted : str or None
        Why they could not be.
    """

    before: Segment
    on: tuple[Segment, Segment]
    after: Segment
    life: Life
    runs: list[ProgramRuns] | None = None
    not_counted: str | None = None


def rounds(
    question: ImpactQuestion, threads: CallingThreads, show: Callable[[int], None]
) -> Iterator[Round]:
    """Yield the rounds; what runs when it is closed is ended.

    Parameters
    ----------
    question : ImpactQuestion
        What is asked.
    threads : CallingThreads
        Who calls.
    show : callable
        Called with the number of a round when it begins.

    Raises
    ------
    FailedError
        The tool does not start, does not become ready, ends early or stays, or loads programs in
        some rounds only.
    """
    patience = question.patience
    for number in range(question.rounds):
        show(number)
        found = _one_round(question, patience, threads.turn(), counting=number == 0)
        if found.life.programs:
            patience = replace(patience, needed=True)
        else:
            patience = replace(patience, expected=False)
        yield found


def _one_round(
    question: ImpactQuestion, patience: Patience, turn: Turn[tuple[list[int], int]], counting: bool
) -> Round:
    segment = partial(question.windows.segment, question.segment_s, turn)
    before, presence, began_s = segment(), Presence(), time.monotonic()
    runs, not_counted = None, None
    with StartedTool(question.launch) as tool:
        loaded = wait_until_ready(tool, presence, patience)
        require_programs(tool, patience, loaded)
        first, ready_s = _look(tool, loaded), time.monotonic() - began_s
        on = segment(between=tool.output.bound), segment(between=tool.output.bound)
        last, changed = _look(tool, loaded), _check(tool, presence, loaded)
        if counting and loaded.programs:
            runs, not_counted = _counted(question.windows, loaded)
        ended, stopped_s = tool.has_ended, time.monotonic()
        tool.stop()
        wait_until_gone(tool, loaded, presence)
        gone_s = time.monotonic() - stopped_s
    time.sleep(_SETTLING_S)
    life = Life(
        programs=len(loaded.programs),
        ready_s=ready_s,
        gone_s=gone_s,
        cpu_share=last.usage.cpu_since(first.usage) / (last.usage.at_s - first.usage.at_s),
        cpu_s=tool.cpu_s,
        resident_bytes=last.usage.resident_bytes,
        missed=max(last.missed - first.missed, 0),
        ended=ended,
        changed=changed,
    )
    return Round(before, on, segment(), life, runs, not_counted)


class _Look(NamedTuple):
    """What a tool has taken until a moment, and the runs that its programs missed."""

    usage: ProcessUsage
    missed: int


def _look(tool: StartedTool, loaded: Loaded) -> _Look:
    own = _own(loaded)
    pids = tool.processes()
    if tool.launch.is_service and own:
        details = Inventory().details(own)
        pids = {process.pid for each in details.values() for process in each.processes}
    return _Look(usage_of(pids), sum(each.missed for each in own.values()))


def _own(loaded: Loaded) -> dict[int, KernelProgram]:
    """Return what is left of a tool's programs."""
    return {number: found for number in loaded.programs if (found := program(number)) is not None}


def _check(tool: StartedTool, presence: Presence, loaded: Loaded) -> bool:
    """Return whether a tool's programs changed; raise if it has ended and had some."""
    tool.look()
    if not loaded.programs:
        return bool(presence.of(tool).programs)
    if tool.has_ended:
        raise tool.why(
            f"{tool.launch} ended while workloads ran, with {tool.how_it_ended()}",
            "it must run until it is stopped",
        )
    return loaded.programs != presence.of(tool).programs


def _counted(windows: WorkloadTurns, loaded: Loaded) -> tuple[list[ProgramRuns] | None, str | None]:
    """Return a tool's programs and their runs, or why they cannot be counted."""
    try:
        with Statistics():
            found = count_runs(loaded.programs, windows.calls, windows.cpu)
    except (RefusedError, UnsupportedError) as error:
        return None, error.what
    own = _own(loaded)
    details = Inventory().details(own)
    return [
        ProgramRuns(each, details.get(number, ProgramDetails()), found[number])
        for number, each in own.items()
    ], None
