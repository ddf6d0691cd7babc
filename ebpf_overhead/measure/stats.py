"""Estimates and confidence intervals for paired differences.

Windows disturbed by interrupts or by a neighbour are frequent and one-sided, so means
and t intervals are out.  The estimate is the Hodges-Lehmann one, the median of all
averages of two differences; its interval inverts the Wilcoxon signed-rank test and
assumes only that the differences are symmetric about the overhead, which pairing in
random order provides.  Source: Hollander, Wolfe, Chicken, *Nonparametric Statistical
Methods*, 3rd edition, sections 3.2 and 3.3.

NumPy is imported only for many differences: in an emulated guest, where few are needed, its
import would take longer than a measurement.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb, inf
from typing import Annotated, cast

CONFIDENCE = 0.99

# Above this many differences the signed-rank distribution is as good as normal.
_EXACT_MAX = 60
# Averages of all pairs of n differences number n (n + 1) / 2; beyond this many
# differences neighbours are averaged first, which keeps time and memory bounded.
_DIFFERENCES_MAX = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; all in the unit of the samples.

    Attributes
    ----------
    estimate, low, high : float
        Estimate and interval bounds; infinite bounds mean too few samples.
    confidence : float
        Probability that the interval covers the true value, 0..1.
    """

    estimate: float
    low: float
    high: float
    confidence: Annotated[float, ("exclusiveMinimum", 0), ("exclusiveMaximum", 1)]

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

    def __neg__(self) -> Interval:
        """Return the interval of the same the other way round."""
        return Interval(-self.estimate, -self.high, -self.low, self.confidence)

    def __truediv__(self, by: float) -> Interval:
        """Return a part of it."""
        return Interval(self.estimate / by, self.low / by, self.high / by, self.confidence)

    def __sub__(self, other: Interval) -> Interval:
        """Return the difference; its bounds are as far apart as both together allow."""
        return Interval(
            self.estimate - other.estimate,
            self.low - other.high,
            self.high - other.low,
            self.confidence,
        )


@dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of samples, in their unit."""

    median: float
    q1: float
    q3: float


def quartiles(samples: Iterable[float]) -> Quartiles:
    """Return median and quartiles of one or more samples."""
    values = sorted(map(float, samples))
    return Quartiles(_quantile(values, 0.5), _quantile(values, 0.25), _quantile(values, 0.75))


def median(samples: Iterable[float]) -> float:
    """Return the median of one or more samples."""
    return _middle(sorted(map(float, samples)))


def _middle(values: Sequence[float]) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _quantile(values: Sequence[float], share: float) -> float:
    # Linear between neighbours, from the nearer one, as NumPy does by default.
    position = share * (len(values) - 1)
    index = int(position)
    if index + 1 == len(values):
        return values[index]
    low, high, part = values[index], values[index + 1], position - index
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def median_interval(samples: Iterable[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the median of samples and its interval, whatever their distribution.

    The bounds are the k-th smallest and largest sample, by the sign test.  Source: Hollander,
    Wolfe, Chicken, section 3.6.

    Parameters
    ----------
    samples : iterable of float
        n >= 1 of them.
    confidence : float
        Coverage of the interval, 0..1.

    Returns
    -------
    Interval
        With infinite bounds where n is too small for the confidence asked (below 8 for
        99 %).
    """
    values = sorted(map(float, samples))
    n, tail = len(values), (1 - confidence) / 2
    ways = [each * 0.5**n for each in accumulate(float(comb(n, k)) for k in range(n // 2 + 1))]
    rank = bisect_right(ways, tail)
    if rank == 0:
        return Interval(_middle(values), -inf, inf, confidence)
    return Interval(_middle(values), values[rank - 1], values[-rank], confidence)


def interval(differences: Iterable[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the Hodges-Lehmann estimate of paired differences and its interval.

    Parameters
    ----------
    differences : iterable of float
        Probed minus baseline, one value per pair; n >= 1.
    confidence : float
        Coverage of the interval, 0..1.

    Returns
    -------
    Interval
        With infinite bounds where n is too small for the confidence asked (below 8 for
        99 %).

    Raises
    ------
    ValueError
        There are no differences, or the confidence is not between 0 and 1.
    """
    values = list(map(float, differences))
    if not values:
        raise ValueError("there are no differences")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1: {confidence}")
    values = _condense(values)
    averages = _averages(values)
    estimate = float(_middle(averages))
    rank = _critical_rank(len(values), confidence)
    if rank < 1:
        return Interval(estimate, -inf, inf, confidence)
    return Interval(estimate, float(averages[rank - 1]), float(averages[-rank]), confidence)


def _condense(values: list[float]) -> list[float]:
    """Average neighbours until there are few enough differences to pair with each other."""
    while len(values) > _DIFFERENCES_MAX:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [(first + second) / 2 for first, second in pairs]
    return values


def _averages(values: Sequence[float]) -> Sequence[float]:
    """Return the averages of all pairs, each value with itself included, sorted."""
    if len(values) <= _EXACT_MAX:
        return sorted(
            (first + second) / 2 for index, first in enumerate(values) for second in values[index:]
        )
    import numpy as np

    array = np.array(values)
    first, second = np.triu_indices(array.size)
    return cast("Sequence[float]", np.sort((array[first] + array[second]) / 2))


@cache
def _critical_rank(n: int, confidence: float) -> int:
    """Return which of the sorted averages bounds the interval, counted from 1.

    It is the largest k with P(W < k) <= (1 - confidence) / 2, where W is the signed-rank
    statistic of n differences; 0 when there is none.
    """
    tail = (1 - confidence) / 2
    if n > _EXACT_MAX:
        from statistics import NormalDist  # Here: it imports much.

        mean = n * (n + 1) / 4
        deviation = (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
        return int(mean + NormalDist().inv_cdf(tail) * deviation)
    # Coefficients of prod (1 + x^i) count the ways to reach each value of W.
    ways = [1] + [0] * (n * (n + 1) // 2)
    for size in range(1, n + 1):
        for value in range(size * (size + 1) // 2, size - 1, -1):
            ways[value] += ways[value - size]
    return bisect_right([each / 2**n for each in accumulate(ways)], tail)


def share_margin(share: float, samples: int, confidence: float = CONFIDENCE) -> float:
    """Return half the width of a share's interval, from independent samples.

    Wilson's score interval (1927), which keeps to 0..1 and is right for shares near either.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    spread = (share * (1 - share) / samples + z * z / (4 * samples * samples)) ** 0.5
    return float(z * spread / (1 + z * z / samples))
