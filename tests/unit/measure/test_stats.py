"""The interval: its properties, its rank against scipy's, and how often it covers the truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, wilcoxon

from ebpf_overhead.measure import stats
from ebpf_overhead.measure.stats import CONFIDENCE, Interval, interval, median_interval, quartiles

SIZES = (8, 9, 10, 13, 21, 34, 60, 61, 100, 250)


def vectors(seed: int, count: int = 200):
    """Vectors of many sizes and shapes: ties, outliers and constants among them."""
    random = np.random.default_rng(seed)
    for index in range(count):
        size = int(random.integers(1, 90))
        values = random.normal(random.uniform(-1e3, 1e3), 10.0 ** random.integers(-3, 4), size)
        if index % 4 == 1:
            values = np.round(values)
        if index % 4 == 2:
            values[random.random(size) < 0.2] *= 1e4
        if index % 10 == 3:
            values[:] = values[0]
        yield values


def as_array(result: Interval) -> np.ndarray:
    return np.array([result.estimate, result.low, result.high])


def test_quartiles_and_medians_are_numpys():
    for values in vectors(12):
        expected = np.quantile(values, (0.25, 0.5, 0.75))
        found = quartiles(values)
        assert [found.q1, found.median, found.q3] == expected.tolist()
        assert stats.median(values) == np.median(values)


def test_few_and_many_differences_are_treated_alike(monkeypatch):
    # Few are averaged without NumPy, many with it.
    found = [stats._averages(values.tolist()) for values in vectors(13, 50)]
    monkeypatch.setattr(stats, "_EXACT_MAX", 0)
    for expected, values in zip(found, vectors(13, 50), strict=True):
        assert list(stats._averages(values.tolist())) == list(expected)


def test_interval_holds_its_estimate_and_lies_within_the_samples():
    for values in vectors(1):
        result = interval(values)
        assert result.low <= result.estimate <= result.high
        assert values.min() <= result.estimate <= values.max()
        if math.isfinite(result.low):
            assert values.min() <= result.low
            assert result.high <= values.max()


def test_estimate_is_the_median_of_all_pairwise_averages():
    for values in vectors(2, 40):
        pairs = itertools.combinations_with_replacement(values.tolist(), 2)
        by_hand = np.median([(a + b) / 2 for a, b in pairs])
        assert interval(values).estimate == pytest.approx(by_hand)


def test_interval_moves_and_stretches_with_the_samples():
    for values in vectors(3):
        base = as_array(interval(values))
        np.testing.assert_allclose(as_array(interval(values + 7)), base + 7, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(as_array(interval(values * 3)), base * 3, rtol=1e-9, atol=1e-6)
        mirrored = base[[0, 2, 1]] * -1
        np.testing.assert_allclose(as_array(interval(-values)), mirrored, rtol=1e-9, atol=1e-6)


def test_interval_does_not_depend_on_the_order():
    random = np.random.default_rng(4)
    for values in vectors(4):
        assert interval(random.permutation(values)) == interval(values)


def test_more_confidence_is_never_narrower():
    for values in vectors(5):
        widths = [interval(values, each).half_width for each in (0.5, 0.9, 0.95, 0.99, 0.999)]
        assert widths == sorted(widths)


def test_one_wild_sample_moves_the_estimate_within_the_others():
    """What a mean cannot do: one disturbed block of twenty is an outlier and no more."""
    random = np.random.default_rng(6)
    for _ in range(100):
        calm = random.normal(50, 1, 19)
        wild = interval(np.append(calm, 1e9))
        assert calm.min() <= wild.low
        assert wild.high <= calm.max()


@pytest.mark.parametrize("size", range(1, 8))
def test_too_few_differences_have_no_99_percent_interval(size):
    result = interval(np.arange(size))
    assert (result.low, result.high) == (-math.inf, math.inf)
    assert result.half_width == math.inf
    assert not result.excludes_zero
    assert result.estimate == (size - 1) / 2


def test_eight_are_enough_and_give_their_range():
    values = [3.0, 1, 4, 1.5, 9, 2.6, 5, 8]
    assert interval(values) == Interval(interval(values).estimate, 1, 9, CONFIDENCE)


@pytest.mark.parametrize(
    ("low", "high", "excludes"),
    [(0.1, 2, True), (-2, -0.1, True), (-1, 1, False), (0, 1, False), (-1, 0, False)],
)
def test_excludes_zero(low, high, excludes):
    assert Interval((low + high) / 2, low, high, 0.99).excludes_zero is excludes


def test_no_differences():
    with pytest.raises(ValueError, match="there are no differences"):
        interval([])


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 99, math.nan])
def test_no_confidence(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        interval([1.0] * 9, confidence)


def signed_ranks(size: int, sum_of_positive: int) -> list[int]:
    """Differences whose absolute ranks are 1..size and whose positive ones sum up to W."""
    values = []
    for rank in range(size, 0, -1):
        positive = rank <= sum_of_positive
        sum_of_positive -= rank if positive else 0
        values.append(rank if positive else -rank)
    assert sum_of_positive == 0
    return values


def probability_below(rank: int, size: int) -> float:
    """P(W < rank) for the signed-rank statistic W, by scipy's exact distribution."""
    if rank <= 0:
        return 0.0
    test = wilcoxon(signed_ranks(size, rank - 1), alternative="less", method="exact")
    return float(test.pvalue)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("size", range(1, 61))
def test_interval_of_a_median_is_the_sign_tests(size, confidence):
    values = np.arange(size, dtype=float)
    found = median_interval(values[::-1], confidence)
    assert found.estimate == (size - 1) / 2
    rank = 0 if found.low == -math.inf else int(found.low) + 1
    tail = (1 - confidence) / 2
    assert binom.cdf(rank - 1, size, 0.5) <= tail * (1 + 1e-12)
    assert rank == size // 2 or binom.cdf(rank, size, 0.5) > tail * (1 - 1e-12)
    if rank:
        assert found.high == size - rank


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("size", range(1, 61))
def test_critical_rank_is_exact(size, confidence):
    rank = stats._critical_rank(size, confidence)
    tail = (1 - confidence) / 2
    assert probability_below(rank, size) <= tail * (1 + 1e-12)
    assert probability_below(rank + 1, size) > tail * (1 - 1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("size", [61, 100, 500])
def test_critical_rank_of_many_is_near_the_exact_one_and_not_bolder(size, confidence):
    rank = stats._critical_rank(size, confidence)
    tail = (1 - confidence) / 2
    assert 0.9 * tail < probability_below(rank, size) <= 1.001 * tail


# Disturbances of a pair of halves, each drawn alike for both: what pairing makes of them
# is symmetric, whatever they look like.  Each takes a generator and the shape (2, n).
NOISES = {
    "normal": lambda random, shape: random.normal(0, 3, shape),
    "one-sided": lambda random, shape: random.exponential(20, shape),
    "skewed": lambda random, shape: random.lognormal(0, 2, shape),
    "rare and huge": lambda random, shape: np.where(
        random.random(shape) < 0.1, 1e4, random.normal(0, 1, shape)
    ),
    "no mean at all": lambda random, shape: random.standard_cauchy(shape),
    "in steps": lambda random, shape: random.integers(0, 4, shape) / 2,
}
TRIALS = 1500


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("size", [8, 12, 30, 80])
def test_interval_covers_the_injected_cost(noise, size):
    """In 99 of 100 runs; the bound below is what 1500 runs fall short of once in 30,000."""
    injected = 15.0
    random = np.random.default_rng([size, *noise.encode()])
    covered = 0
    for _ in range(TRIALS):
        baseline, probed = 117 + NOISES[noise](random, (2, size))
        result = interval(probed + injected - baseline)
        covered += result.low <= injected <= result.high
    slack = 4 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / TRIALS)
    assert covered / TRIALS >= CONFIDENCE - slack


def test_interval_is_no_wider_than_it_must_be():
    """With normal noise the t interval is the best there is; this one comes close to it."""
    random = np.random.default_rng(9)
    for size in (12, 30, 80):
        widths = [interval(random.normal(0, 1, size)).half_width for _ in range(300)]
        best = 2.576 / math.sqrt(size)
        assert best * 0.9 < np.mean(widths) < best * 1.5


def test_a_cost_that_is_there_is_found():
    random = np.random.default_rng(10)
    for _ in range(200):
        baseline, probed = random.exponential(5, (2, 100))
        assert interval(probed + 15 - baseline).excludes_zero


def test_very_many_differences_are_condensed():
    random = np.random.default_rng(11)
    for size in (2001, 4000, 10_000):
        result = interval(random.normal(15, 1, size))
        assert len(stats._condense([float(each) for each in range(size)])) <= 2000
        assert result.low <= 15 <= result.high
        # As narrow as the number of samples deserves: nothing is thrown away.
        assert result.half_width < 1.3 * 2.576 / math.sqrt(size)


def test_condensing_keeps_the_mean_and_leaves_few_alone():
    values = [float(each) for each in range(2000)]
    assert stats._condense(values) is values
    many = [float(each) for each in range(8000)]
    condensed = stats._condense(many)
    assert sum(condensed) / len(condensed) == sum(many) / len(many)
    assert interval(np.full(5000, 2.5)) == Interval(2.5, 2.5, 2.5, CONFIDENCE)


def test_quartiles():
    result = quartiles([5, 1, 4, 2, 3])
    assert (result.q1, result.median, result.q3) == (2, 3, 4)
    single = quartiles([117.5])
    assert (single.q1, single.median, single.q3) == (117.5, 117.5, 117.5)


def test_quartiles_are_in_order_and_within():
    for values in vectors(12):
        result = quartiles(values)
        assert values.min() <= result.q1 <= result.median <= result.q3 <= values.max()


def test_margin_of_a_share_is_wilsons():
    """Worked out by hand, with z = 1.96."""
    assert stats.share_margin(0.5, 100, 0.95) == pytest.approx(0.09617, abs=1e-5)
    assert stats.share_margin(0.0, 1, 0.95) == pytest.approx(0.39673, abs=1e-5)
