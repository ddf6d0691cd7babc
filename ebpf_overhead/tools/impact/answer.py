"""What rounds say of each workload: without, with, the difference, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ebpf_overhead.measure.stats import Interval, interval, median
from ebpf_overhead.tools.impact.rounds import Round
from ebpf_overhead.tools.impact.segments import Segment

# Below, the signed-rank interval of 99 % has no bounds.
ROUNDS_MIN = 8
# A baseline that moved by more than this between the first and the last rounds is worth a word.
_DRIFT = 0.1


@dataclass(frozen=True)
class Impact:
    """What a tool costs a workload, in ns per call.

    Attributes
    ----------
    without : float
        Median of the quarters without the tool.
    with_tool : float
        Median of those with it.
    difference : Interval
        What it adds.
    share : Interval
        The same as a share of ``without``.
    again : Interval
        The same of the second quarter without the tool, beside the first: zero, if nothing
        else changed.
    drift : float
        By which share of itself the call without the tool was slower in the last third of the
        rounds than in the first.
    """

    without: float
    with_tool: float
    difference: Interval
    share: Interval
    again: Interval
    drift: float

    @property
    def drifted(self) -> bool:
        """Whether the machine was not the same at the end."""
        return abs(self.drift) > _DRIFT


def impact(rounds: Sequence[Round], workload: str) -> Impact:
    """Return what a tool costs a workload, from `ROUNDS_MIN` rounds or more.

    In a round, what the call would take without the tool is interpolated between the quarters
    before and after, for the moment of each quarter with it.
    """

    def each(select: Callable[[Round], float]) -> list[float]:
        return [select(one) for one in rounds]

    def of(segment: Segment) -> float:
        return segment.per_call[workload]

    def relative(one: Round) -> float:
        return sum(of(on) / _between(one, of, on.at_s) - 1 for on in one.on) / len(one.on)

    off = [(of(one.before) + of(one.after)) / 2 for one in rounds]
    third = max(len(rounds) // 3, 1)
    return Impact(
        without=median(each(lambda one: of(one.before)) + each(lambda one: of(one.after))),
        with_tool=median(of(on) for one in rounds for on in one.on),
        difference=interval(each(lambda one: added(one, workload))),
        share=interval(each(relative)),
        again=interval(each(lambda one: of(one.after) - of(one.before))),
        drift=median(off[-third:]) / median(off[:third]) - 1,
    )


def added(one: Round, workload: str) -> float:
    """Return what a tool adds to a call of a workload, by one round."""

    def of(segment: Segment) -> float:
        return segment.per_call[workload]

    return sum(of(on) - _between(one, of, on.at_s) for on in one.on) / len(one.on)


def _between(one: Round, of: Callable[[Segment], float], at_s: float) -> float:
    """Return what a call would take without the tool at a moment of a round."""
    part = (at_s - one.before.at_s) / (one.after.at_s - one.before.at_s)
    return of(one.before) + part * (of(one.after) - of(one.before))
