"""What a hook adds to a call that nothing disturbs, from windows in rounds.

Disturbances only add time: interrupts, neighbours in the caches, a slower clock.  So a low
quantile of all windows of a run is that of the undisturbed call, as long as a few windows of the
run were quiet.  Between runs it varies by a tenth of what medians vary by (docs/architecture.md
has the figures).  Chen and Revels, "Robust benchmarking in noisy environments", 2016, give the
reasons for low quantiles.

The interval has three parts.  What varies within the run comes from a bootstrap of whole rounds,
which keeps together what was measured in the same moment (Künsch, "The jackknife and the
bootstrap for general stationary observations", Annals of Statistics 17, 1989; the bounds are
quantiles of the resampled estimates, Efron and Tibshirani, *An Introduction to the Bootstrap*,
1993, chapter 13).  What varies from run to run cannot be seen within one.  It is a share of the
time per call, known from earlier runs on the same machine; see `Scatter`.  And a run may have had
no quiet moment that was long enough: neighbours on a shared machine come and go within
milliseconds.  Then its low quantile is above that of its quietest part, or of an earlier
run's.  By that share a call may seem to take too long, with the hook or without; see `Levels`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from math import ceil, hypot, inf

from ebpf_overhead.measure.stats import CONFIDENCE, Interval

QUANTILE = 0.05
_RESAMPLES = 400
# Neighbouring rounds are resampled as one where there are more.
_GROUPS_MAX = 50
# So many windows tell a low quantile well enough to compare parts of a run by it.  There are few
# parts: of many, the lowest is low by chance, however long they are.
_PART_WINDOWS, _PARTS_MAX = 100, 10

# The windows of a round, in ns per call.
Round = Sequence[float]


@dataclass(frozen=True)
class Scatter:
    """How far the results of runs lie apart that were made at different times.

    Attributes
    ----------
    relative : float
        Standard deviation of an overhead, as a share of the time per call.
    degrees : int
        Degrees of freedom that it is known with.
    quietest : dict of str to float
        By workload: the level of the quietest part of earlier runs, in ns per call.
    """

    relative: float = 0.004
    degrees: int = 5
    quietest: dict[str, float] = field(default_factory=dict)

    def margin(self, per_call: float, confidence: float = CONFIDENCE) -> float:
        """Return half the width of an interval for a call of that time, in its unit."""
        return student_t((1 + confidence) / 2, self.degrees) * self.relative * per_call


def student_t(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t distribution, to 1 % for three degrees and more.

    Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.5.
    """
    from statistics import NormalDist  # Here: it imports much.

    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / degrees + second / degrees**2 + third / degrees**3 + fourth / degrees**4


class Level:
    """The undisturbed time of a call, and the same of resampled rounds.

    Parameters
    ----------
    rounds : sequence of Round
        The windows of each round.

    Attributes
    ----------
    rounds : int
        How many there were.
    estimate : float
        Low quantile of all windows, in ns per call.
    quietest : float
        The lowest of the same quantile of parts of the run, in ns per call.
    resampled : list of float
        The same of each resample.  Levels with equal numbers of rounds have the same rounds in
        it, so that they can be compared resample by resample.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self.rounds = len(rounds)
        size = ceil(self.rounds / _GROUPS_MAX)
        groups = [
            list(chain.from_iterable(rounds[start : start + size]))
            for start in range(0, self.rounds, size)
        ]
        self._windows = sorted(
            (value, number) for number, group in enumerate(groups) for value in group
        )
        self._sizes = [len(group) for group in groups]
        self.estimate = self._quantile([1] * len(groups))
        self.resampled = [self._quantile(times) for times in _resamples(len(groups))]
        self.quietest = min(_of_parts(rounds))

    def unrest(self, earlier: float = inf) -> float:
        """Return by what share of it the estimate is above that of quiet moments, 0 or more.

        Parameters
        ----------
        earlier : float
            The quietest of earlier runs, in ns per call.
        """
        return self.estimate / min(self.quietest, earlier, self.estimate) - 1

    def _quantile(self, times: Sequence[int]) -> float:
        """Return the quantile of all windows, those of each group taken so many times."""
        rank = QUANTILE * sum(map(int.__mul__, self._sizes, times))
        seen = 0
        for value, number in self._windows:
            seen += times[number]
            if seen >= rank:
                return value
        raise ValueError("there are no windows")


def _of_parts(rounds: Sequence[Round]) -> Iterator[float]:
    """Yield the quantile of each part of a run that has enough windows."""
    left = sum(map(len, rounds))
    least = max(_PART_WINDOWS, left / _PARTS_MAX)
    part: list[float] = []
    for each in rounds:
        part += each
        left -= len(each)
        if left == 0 or min(len(part), left) >= least:
            yield sorted(part)[ceil(QUANTILE * len(part)) - 1]
            part = []


@cache
def _resamples(groups: int) -> list[list[int]]:
    """Return how often each group is in each resample; the same ones each time."""
    generator = random.Random(groups)
    found = []
    for _ in range(_RESAMPLES):
        times = [0] * groups
        for number in generator.choices(range(groups), k=groups):
            times[number] += 1
        found.append(times)
    return found


@dataclass(frozen=True)
class Levels:
    """The undisturbed times of a call, in ns.

    Attributes
    ----------
    baseline, probed : Level
        Without the hook, by all that have the call in common; and with it.
    unrest : float
        By what share of it the baseline is above that of quiet moments, of this run and earlier
        ones.
    """

    baseline: Level
    probed: Level
    unrest: float = 0.0


def difference(
    first: Level,
    second: Level,
    scatter: Scatter,
    confidence: float = CONFIDENCE,
    unrest: float | None = None,
) -> Interval:
    """Return how much longer the first call takes than the second, with its interval.

    Parameters
    ----------
    first, second : Level
        Of rounds that were measured together.
    scatter : Scatter
        What varies from run to run.
    confidence : float
        Coverage of the interval, 0..1.
    unrest : float, optional
        By what share of it a call may have taken too long; by default that of the second.
    """
    estimate = first.estimate - second.estimate
    low, high = _bounds(map(float.__sub__, first.resampled, second.resampled), confidence)
    per_call = max(first.estimate, second.estimate)
    share = second.unrest() if unrest is None else unrest
    margin = hypot(scatter.margin(per_call, confidence), share * per_call)
    return Interval(
        estimate,
        estimate - hypot(max(estimate - low, 0.0), margin),
        estimate + hypot(max(high - estimate, 0.0), margin),
        confidence,
    )


def _bounds(values: Iterable[float], confidence: float) -> tuple[float, float]:
    ordered = sorted(values)
    outside = int(len(ordered) * (1 - confidence) / 2)
    return ordered[outside], ordered[-1 - outside]
