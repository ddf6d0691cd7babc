"""How often one call of a workload passes attach points, counted by probes on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, TRACEPOINT
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.measure.stats import median
from ebpf_overhead.tools.estimate.counting import Counter, counters
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import WORKLOADS, Workload, require

# Several tries, because now and then something comes between: an interrupt wakes a kernel thread
# up, and the task is switched once more.
_TRIES = 7
_CALLS_MAX = 100
# What such a thing may add to the calls of a try.
_NEAR = 0.1
# What a busy machine adds comes in bursts; what a row has wrong is there every time.
_ROUNDS = 3
_NAME = Path("/proc/thread-self/comm")


@dataclass(frozen=True)
class Passes:
    """How often one call of a workload passes an attach point.

    Attributes
    ----------
    times : int or None
        The whole number nearest to the average; None if it is not near to one, as the number
        differs from call to call.
    average : float
        The middle one of all tries.
    """

    times: int | None
    average: float


def place_of(name: str) -> Place:
    """Return the place that a workload's row names: ``category:event``, or a function."""
    return Place(TRACEPOINT if ":" in name else FUNCTION, name)


def system_call(name: str) -> Place:
    """Return the place of a system call."""
    return Place(SYSCALL, name)


def known_places(workloads: Iterable[Workload] = WORKLOADS.values()) -> list[Place]:
    """Return all places that the row of one of some workloads names, system calls first."""
    known = list(workloads)
    calls = (name for each in known for name in each.times)
    others = (name for each in known for name in each.passed)
    found = [*map(system_call, calls), *(place_of(name) for name in others)]
    return list(dict.fromkeys(found))


@contextmanager
def counted(places: list[Place]) -> Iterator[Counter]:
    """Count what tasks that work for a workload pass while the block runs.

    The calling thread is one of them.

    Raises
    ------
    OverheadError
        None of the places can be counted here.
    """
    earlier = _NAME.read_text()
    _NAME.write_text(_workload.TASK_NAME)
    try:
        with counters(places, Filters(command=_workload.TASK_NAME)) as counter:
            yield counter
    finally:
        _NAME.write_text(earlier.rstrip("\n"))


def expected(workload: Workload) -> dict[Place, int | None]:
    """Return how often a call passes places, as the workload's row says; None where it differs."""
    said: dict[Place, int | None] = {system_call(name): n for name, n in workload.times.items()}
    said.update((place_of(name), times) for name, times in workload.passed.items())
    return said


def passes(counter: Counter, workload: Workload) -> dict[Place, Passes]:
    """Return what a call of a workload passes, of all places that a counter counts.

    Places whose number is not what the workload's row says are counted again, some times.

    Raises
    ------
    OverheadError
        The workload cannot be called here.
    """
    require(workload)
    said = expected(workload)
    found = _one_round(counter, workload)
    for _ in range(_ROUNDS - 1):
        differing = [
            place for place, seen in found.items() if said.get(place, 0) not in (None, seen.times)
        ]
        if not differing:
            break
        again = _one_round(counter, workload)
        found.update((place, again[place]) for place in differing)
    return found


def _one_round(counter: Counter, workload: Workload) -> dict[Place, Passes]:
    """Return what a call passes: what windows of twice the calls pass more than the others.

    Preparing a window passes some, too, and that is no part of the difference.
    """
    calls, cpu = min(_CALLS_MAX, workload.checked_calls), choose_cpu()
    tries = []
    for _ in range(_TRIES):
        once, twice = (_events(counter, workload, count, cpu) for count in (calls, 2 * calls))
        tries.append([(after - before) / calls for before, after in zip(once, twice, strict=True)])
    return {
        place: _of_tries(found)
        for place, found in zip(counter.places, zip(*tries, strict=True), strict=True)
    }


def _events(counter: Counter, workload: Workload, calls: int, cpu: int) -> list[int]:
    before = counter.read()
    _workload.run(workload.name, calls, cpu=cpu)
    return [int(each) for each in counter.read() - before]


def _of_tries(found: Sequence[float]) -> Passes:
    average = median(found)
    times = round(average)
    return Passes(times if abs(average - times) <= _NEAR else None, average)
