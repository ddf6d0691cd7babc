"""Several tools: each alone, all together, and whether the sum is the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ebpf_overhead.measure.stats import Interval, interval
from ebpf_overhead.tools.impact.answer import added
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, Round, rounds
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.workload.calling_threads import CallingThreads

# A round with all tools, and one with each of them alone, in their order.
RoundOfAll = tuple[Round, ...]


# Shows which tools are at hand, and how many rounds are done.
Show = Callable[[ToolLaunch, float], None]


@dataclass(frozen=True, kw_only=True)
class SumCase:
    """What tools cost a workload, alone and together.

    Attributes
    ----------
    workload : str
        Its name.
    alone : list of Interval
        What each tool adds to a call alone, in the order of the tools.
    sum : Interval
        The sum of these.
    together : Interval
        What all add together.
    beyond : Interval
        What they add together, less the sum.
    """

    workload: str
    alone: list[Interval]
    sum: Interval
    together: Interval
    beyond: Interval


def alone(launch: ToolLaunch) -> list[ToolLaunch]:
    """Return the launches of each of several tools; nothing for a single one."""
    if not launch.beside:
        return []
    return [replace(launch, start=start, beside=()) for start in launch.starts]


def rounds_of_all(
    question: ImpactQuestion, threads: CallingThreads, show: Show
) -> Iterator[RoundOfAll]:
    """Yield rounds with all tools, and with each alone, in turns; see `rounds.rounds`."""
    launches = [question.launch, *alone(question.launch)]
    turns = [
        rounds(replace(question, launch=each), threads, partial(show, each)) for each in launches
    ]
    yield from zip(*turns, strict=True)


def sum_cases(found: Sequence[RoundOfAll], workloads: Sequence[str]) -> list[SumCase]:
    """Return what tools cost each workload, alone and together.

    Parameters
    ----------
    found : sequence of RoundOfAll
        `answer.ROUNDS_MIN` rounds or more.
    workloads : sequence of str
        What was called.
    """
    return [_sum_case(found, name) for name in workloads]


def _sum_case(found: Sequence[RoundOfAll], workload: str) -> SumCase:
    by_round = [[added(one, workload) for one in all_of_one] for all_of_one in found]
    return SumCase(
        workload=workload,
        alone=[interval(values) for values in list(zip(*by_round, strict=True))[1:]],
        sum=interval(sum(each) for _, *each in by_round),
        together=interval(whole for whole, *_ in by_round),
        beyond=interval(whole - sum(each) for whole, *each in by_round),
    )
