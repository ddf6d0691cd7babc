"""What a check expects, what it saw, and whether that is allowed.

A check that is right fails less than once in 10,000 times: comparisons are counted, and so many
intervals may exclude zero as chance allows them to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, comb

from ebpf_overhead.measure.stats import CONFIDENCE, Interval

# How often a check may fail where all is right.
CHANCE = 1e-4
# A difference is detectable that this share of comparisons finds.
POWER = 0.9
# By so many instructions per call may differ what is the same.
EXACT = 0.05


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes
    ----------
    part : str
        Which part of the study it belongs to.
    check : str
        What was looked at.
    unit : str
        Of all numbers: ``ns``, ``instructions``, ``comparisons`` …
    seen : float
        What was found.
    expected : float or None
        What should be found; None where nothing tells.
    low, high : float or None
        What is allowed; None for no bound.
    comparisons : int
        How many were made.
    """

    part: str
    check: str
    unit: str
    seen: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    comparisons: int = 1

    @property
    def passed(self) -> bool | None:
        """Whether it is as allowed; None where nothing is to be judged."""
        if self.low is None and self.high is None:
            return None
        above = self.low is None or self.seen >= self.low
        return above and (self.high is None or self.seen <= self.high)


def most(trials: int, share: float, chance: float = CHANCE) -> int:
    """Return how many of some trials may come true before that is no chance.

    The least number that a binomial variable exceeds with a lower probability than ``chance``.

    Parameters
    ----------
    trials : int
        How many there are.
    share : float
        With which probability each comes true, 0..1.
    chance : float
        How improbable more are, 0..1.
    """
    exceeded = 1.0
    for number in range(trials + 1):
        exceeded -= comb(trials, number) * share**number * (1 - share) ** (trials - number)
        if exceeded < chance:
            return number
    return trials


def no_difference(part: str, check: str, intervals: Sequence[Interval]) -> Check:
    """Judge comparisons of what does not differ: intervals that exclude zero are chance.

    Parameters
    ----------
    part, check
        See `Check`.
    intervals : sequence of Interval
        Of each comparison.
    """
    count, outside = len(intervals), 1 - CONFIDENCE
    return Check(
        *(part, f"{check}: intervals that exclude zero", "comparisons"),
        seen=sum(each.excludes_zero for each in intervals),
        expected=count * outside,
        low=0,
        high=most(count, outside),
        comparisons=count,
    )


def the_same(part: str, check: str, intervals: Sequence[Interval], unit: str) -> Iterator[Check]:
    """Judge comparisons of what does not differ: by chance, and exactly where that is possible.

    Parameters
    ----------
    part, check, unit
        See `Check`.
    intervals : sequence of Interval
        Of each comparison.
    """
    yield no_difference(part, check, intervals)
    if unit == "instructions":
        yield exactly(part, check, intervals)


def exactly(part: str, check: str, intervals: Sequence[Interval]) -> Check:
    """Judge comparisons in instructions by their largest difference, whatever its interval is."""
    return Check(
        *(part, f"{check}: largest difference", "instructions"),
        seen=max(abs(each.estimate) for each in intervals),
        expected=0,
        low=0,
        high=EXACT,
        comparisons=len(intervals),
    )


def detectable(part: str, check: str, intervals: Sequence[Interval], unit: str) -> Check:
    """Return the smallest difference that most comparisons would detect.

    Were the true difference not zero but d, every interval would lie d higher.  It would exclude
    zero where d is greater than the distance of its lower bound from zero: so d is a quantile of
    these distances.  Either sign counts.

    Parameters
    ----------
    part, check, unit
        See `Check`.
    intervals : sequence of Interval
        Of comparisons of what does not differ.
    """
    distances = sorted(chain.from_iterable((-each.low, each.high) for each in intervals))
    found = distances[ceil(POWER * len(distances)) - 1]
    return Check(
        *(part, f"{check}: smallest difference detected in {POWER:.0%}", unit),
        seen=max(found, 0.0),
        comparisons=len(intervals),
    )


def never_less(part: str, check: str, differences: Sequence[Interval]) -> Check:
    """Judge differences that must not be negative: few intervals lie wholly below zero.

    Parameters
    ----------
    part, check
        See `Check`.
    differences : sequence of Interval
        Of what should be more, minus what should be less.
    """
    count, tail = len(differences), (1 - CONFIDENCE) / 2
    return Check(
        *(part, check, "comparisons"),
        seen=sum(each.high < 0 for each in differences),
        expected=count * tail,
        low=0,
        high=most(count, tail),
        comparisons=count,
    )
