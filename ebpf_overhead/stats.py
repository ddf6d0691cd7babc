"""Estimates and confidence intervals for paired differences.

Windows disturbed by interrupts or by a neighbour are frequent and one-sided, so means
and t intervals are out.  The estimate is the Hodges-Lehmann one, the median of all
averages of two differences; its interval inverts the Wilcoxon signed-rank test and
assumes only that the differences are symmetric about the overhead, which pairing in
random order provides.  Source: Hollander, Wolfe, Chicken, *Nonparametric Statistical
Methods*, 3rd edition, sections 3.2 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.99

# Above this many differences the signed-rank distribution is as good as normal.
_EXACT_MAX = 60
# Averages of all pairs of n differences number n (n + 1) / 2; beyond this many
# differences neighbours are averaged first, which keeps time and memory bounded.
_DIFFERENCES_MAX = 2000

Array = npt.NDArray[np.float64]


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
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

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


def quartiles(samples: npt.ArrayLike) -> Quartiles:
    """Return median and quartiles of one or more samples."""
    q1, median, q3 = np.quantile(np.asarray(samples, dtype=float), (0.25, 0.5, 0.75))
    return Quartiles(float(median), float(q1), float(q3))


def median_interval(samples: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the median of samples and its interval, whatever their distribution.

    The bounds are the k-th smallest and largest sample, by the sign test.  Source: Hollander,
    Wolfe, Chicken, section 3.6.

    Parameters
    ----------
    samples : array_like, shape (n,)
        n >= 1.
    confidence : float
        Coverage of the interval, 0..1.

    Returns
    -------
    Interval
        With infinite bounds where n is too small for the confidence asked (below 8 for
        99 %).
    """
    values = np.sort(np.asarray(samples, dtype=float))
    n, tail = values.size, (1 - confidence) / 2
    ways = np.cumsum([float(comb(n, k)) for k in range(n // 2 + 1)]) * 0.5**n
    rank = int(np.searchsorted(ways, tail, side="right"))
    middle = float(np.median(values))
    if rank == 0:
        return Interval(middle, -np.inf, np.inf, confidence)
    return Interval(middle, float(values[rank - 1]), float(values[-rank]), confidence)


def interval(differences: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the Hodges-Lehmann estimate of paired differences and its interval.

    Parameters
    ----------
    differences : array_like, shape (n,)
        Probed minus baseline, one value a pair; n >= 1.
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
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"differences must be a non-empty vector: shape {values.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1: {confidence}")
    values = _condense(values)
    first, second = np.triu_indices(values.size)
    averages = np.sort((values[first] + values[second]) / 2)
    estimate = float(np.median(averages))
    rank = _critical_rank(values.size, confidence)
    if rank < 1:
        return Interval(estimate, -np.inf, np.inf, confidence)
    return Interval(estimate, float(averages[rank - 1]), float(averages[-rank]), confidence)


def _condense(values: Array) -> Array:
    """Average neighbours until there are few enough differences to pair with each other."""
    while values.size > _DIFFERENCES_MAX:
        even = values[: values.size // 2 * 2]
        values = even.reshape(-1, 2).mean(axis=1)
    return values


@cache
def _critical_rank(n: int, confidence: float) -> int:
    """Return which of the sorted averages bounds the interval, counted from 1.

    It is the largest k with P(W < k) <= (1 - confidence) / 2, where W is the signed-rank
    statistic of n differences; 0 when there is none.
    """
    tail = (1 - confidence) / 2
    if n > _EXACT_MAX:
        mean = n * (n + 1) / 4
        deviation = (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
        return int(mean + NormalDist().inv_cdf(tail) * deviation)
    # Coefficients of prod (1 + x^i) count the ways to reach each value of W.
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for size in range(1, n + 1):
        ways[size:] += ways[:-size].copy()
    below = np.cumsum(ways) / 2.0**n
    return int(np.searchsorted(below, tail, side="right"))


def share_margin(share: float, samples: int, confidence: float = CONFIDENCE) -> float:
    """Return half the width of a share's interval, from independent samples.

    Wilson's score interval (1927), which keeps to 0..1 and is right for shares near either.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    spread = (share * (1 - share) / samples + z * z / (4 * samples * samples)) ** 0.5
    return float(z * spread / (1 + z * z / samples))
