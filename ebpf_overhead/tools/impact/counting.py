"""How often programs run per call of a workload, and how long a run takes by the kernel's count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ebpf_overhead.bpf.objects import KernelProgram, program
from ebpf_overhead.measure.stats import Interval, median_interval
from ebpf_overhead.tools.top.inventory import ProgramDetails
from ebpf_overhead.workload import _workload

# Many short ones, because what others do comes in bursts.
_TRIES = 24
_WINDOW_NS = 1_000_000
# The loop without a call, and turns that tell how long one takes.
_NOTHING, _IDLE_CALLS = "none", 100_000
# Whatever runs less often is not by the calls.
_SELDOM = 0.05


@dataclass(frozen=True)
class Ran:
    """A program in the calls of a workload.

    Attributes
    ----------
    workload : str
        The workload.
    per_call : Interval
        Runs per call: the middle one of several tries.
    time_ns : float or None
        Time per run that the kernel's statistics report; None without a run.
    """

    workload: str
    per_call: Interval
    time_ns: float | None


@dataclass(frozen=True)
class ProgramRuns:
    """A program of a tool.

    Attributes
    ----------
    program : KernelProgram
        As it was after it was counted.
    details : ProgramDetails
        Its hooks, processes and maps.
    runs : list of Ran
        Workloads whose calls run it.
    """

    program: KernelProgram
    details: ProgramDetails
    runs: list[Ran]


def count_runs(
    chosen: Iterable[int], workloads: Mapping[str, int], cpu: int
) -> dict[int, list[Ran]]:
    """Count the runs of programs in calls of workloads, while the kernel's statistics are on.

    The number is the difference between windows of some calls and of twice as many, so what
    preparing a window takes is not in it.  What others run meanwhile is counted in a window of as
    much time without a call, and subtracted.  What is not more than zero for certain is left out.

    Parameters
    ----------
    chosen : iterable of int
        Ids of the programs.
    workloads : mapping of str to int
        What is called, and how often to begin with.
    cpu : int
        Where.
    """
    numbers = sorted(chosen)
    found: dict[int, list[Ran]] = {number: [] for number in numbers}
    (idle_ns,), _ = _workload.run(_NOTHING, _IDLE_CALLS, cpu=cpu)
    for name, few in workloads.items():
        elapsed_ns, _ = _workload.run(name, few, windows=3, cpu=cpu)
        calls = max(few * _WINDOW_NS // max(min(elapsed_ns), 1), 1)
        first = _counters(numbers)
        tries = [_one_try(numbers, name, calls, idle_ns / _IDLE_CALLS, cpu) for _ in range(_TRIES)]
        last = _counters(numbers)
        for place, number in enumerate(numbers):
            per_call = median_interval(each[place] for each in tries)
            if per_call.estimate >= _SELDOM and per_call.low > 0:
                runs = last[place][0] - first[place][0]
                time_ns = (last[place][1] - first[place][1]) / runs if runs > 0 else None
                found[number].append(Ran(name, per_call, time_ns))
    return found


def _one_try(numbers: list[int], name: str, calls: int, idle_ns: float, cpu: int) -> list[float]:
    """Return the runs of each program per call; ``idle_ns`` is the time of a loop's turn."""
    readings = [_counters(numbers)]

    def window(workload: str, count: int) -> int:
        (elapsed_ns,), _ = _workload.run(workload, count, cpu=cpu)
        readings.append(_counters(numbers))
        return elapsed_ns

    # Each makes some system calls of its own: two windows more and two less cancel them.
    longer_ns = -window(name, calls) + window(name, 2 * calls)
    window(_NOTHING, max(round(longer_ns / idle_ns), 1))
    window(_NOTHING, 1)
    return [
        ((two - one) - (one - zero) - (idle - two) + (last - idle)) / calls
        for (zero, _), (one, _), (two, _), (idle, _), (last, _) in zip(*readings, strict=True)
    ]


def _counters(numbers: list[int]) -> list[tuple[int, int]]:
    """Return the runs and times in ns of programs; zeros for one that is gone."""
    read = map(program, numbers)
    return [(each.run_count, each.run_time_ns) if each else (0, 0) for each in read]
