"""What a program that hands records to a reader costs its caller, at the rate at which it runs.

In a tight loop the reader never sleeps.  At real rates each record may wake it up, which costs
more than all the rest of the program (docs/delivery.md).  So the calls are paced, and the records
are read as tools read them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.machine import activity
from ebpf_overhead.machine.activity import Ticks
from ebpf_overhead.machine.tree import Tree
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.event_readers import read_as_tools_do
from ebpf_overhead.measure.paced import PacedWindows, Pacing
from ebpf_overhead.measure.run_count_check import prove_with_counter
from ebpf_overhead.measure.sampling import Precision, choose_other_cpu
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.programs.libbpf_reader import LibbpfBuffer
from ebpf_overhead.workload import _workload, clock

# Rates that one caller can have.  A reader of fewer records sleeps before each, as at the least.
_LEAST_PER_S, _MOST_PER_S = 1_000, 1_000_000
# One that sleeps needs tens of microseconds to wake up.
_MOST_ASLEEP_PER_S = 10_000
_NS_PER_S = 1_000_000_000
_WINDOW_S = 0.05
_ROUNDS_MIN = 12
_PRECISION = Precision(relative=0.04, absolute=5.0)
# A record that wakes nobody up is read when the next one is.
_CATCH_UP_S = 0.2
_MOSTLY = 0.5


@dataclass(frozen=True)
class CostAtRate:
    """What a call takes longer.

    Attributes
    ----------
    overhead : Interval
        ns per call.
    per_s : float
        Calls per second at which that is: what was asked for, or what one caller reached.
    sleeps : bool
        Whether the caller slept between its calls.
    lost_share : float
        Share of the records that found no room, 0..1.
    reader_idle : bool
        Whether another CPU was idle for the most part: who wakes the reader up wakes that up, too.
    """

    overhead: Interval
    per_s: float
    sleeps: bool
    lost_share: float
    reader_idle: bool


def possible(per_s: float, *, sleeps: bool) -> Pacing:
    """Return the pace of a single caller that is nearest to that of all."""
    most = _MOST_ASLEEP_PER_S if sleeps else _MOST_PER_S
    return Pacing(round(min(max(per_s, _LEAST_PER_S), most)), sleeps)


def require(cpus: Set[int] | None = None) -> None:
    """Raise UnsupportedError where no reader can sleep while somebody calls.

    Parameters
    ----------
    cpus : set of int, optional
        Where both may run; by default where the calling thread may.
    """
    if not clock.current().layout_sensitive:
        raise UnsupportedError("time stands still in this guest while a reader sleeps")
    if len(cpus or os.sched_getaffinity(0)) < 2:
        raise UnsupportedError("a reader needs another CPU, and there is only one")


@machine_lock.held()
def cost_at_rate(case: Case, pacing: Pacing, time_s: float) -> CostAtRate:
    """Measure what a probe adds to a call at a rate.

    Parameters
    ----------
    case : Case
        The probe, and what is called.
    pacing : Pacing
        How often, and what the caller does in between.
    time_s : float
        Stop after this many seconds, once there are enough windows.

    Raises
    ------
    OverheadError
        It cannot be measured here, or no record was read.
    """
    require()
    # The kernel finds a CPU for who sleeps.  Who works is not to take the reader's, which is where
    # others work least.
    cpu = None if pacing.sleeps else choose_other_cpu()
    with ExitStack() as stack:
        probe = stack.enter_context(load(case))
        probe.compiled.clear()
        buffers = stack.enter_context(read_as_tools_do(probe.compiled))
        name = case.workload.name
        prove_with_counter(probe, lambda calls: _run(name, calls, cpu))
        calls = max(round(pacing.per_s * _WINDOW_S), 1)
        windows = PacedWindows(name, pacing, calls, cpu, probe.switch)
        before = activity.ticks(Tree())
        _sample(windows, time_s)
        idle = another_idle(before, activity.ticks(Tree()), cpu)
        probe.detach()
        lost = _lost_share(probe, buffers)
        overhead = windows.overhead
        # Where each call takes longer than the gap, they follow each other directly.
        reached = _NS_PER_S / (windows.baseline_ns + overhead.estimate)
        return CostAtRate(overhead, min(pacing.per_s, reached), pacing.sleeps, lost, idle)


def another_idle(
    before: Mapping[int, Ticks], after: Mapping[int, Ticks], cpu: int | None = None
) -> bool:
    """Return whether a CPU was idle for the most part, but for the caller's.

    Parameters
    ----------
    before, after : mapping of int to Ticks
        The time of each CPU.
    cpu : int, optional
        Where the caller works.

    Returns
    -------
    bool
        True also where the kernel does not say.
    """
    spent = [after[each] - before[each] for each in after.keys() & before.keys() if each != cpu]
    return not spent or any(each.busy_share + each.stolen_share < _MOSTLY for each in spent)


def _run(name: str, calls: int, cpu: int | None) -> None:
    _workload.run(name, calls, cpu=cpu)


def _sample(windows: PacedWindows, time_s: float) -> None:
    order = random.Random()
    until = time.monotonic() + time_s
    rounds = 0
    while rounds < _ROUNDS_MIN or not (
        time.monotonic() > until or _PRECISION.reached(windows.overhead)
    ):
        windows.round(order)
        rounds += 1


def _lost_share(probe: Probe, buffers: list[LibbpfBuffer]) -> float:
    """Return the share of records that found no room, as far as it is known.

    Raises
    ------
    FailedError
        There was no record.
    """
    time.sleep(_CATCH_UP_S)
    for buffer in buffers:
        buffer.consume()
    lost = sum(buffer.lost for buffer in buffers) or (probe.compiled.lost_updates() or 0)
    read = sum(buffer.records for buffer in buffers)
    if not read:
        raise FailedError(f"{probe.case.name} wrote no record that could be read")
    return lost / (lost + read)
