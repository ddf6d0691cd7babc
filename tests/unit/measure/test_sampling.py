"""The parts of sampling by themselves; test_measure.py has them at work."""

from __future__ import annotations

import math
import os

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure import sampling
from ebpf_overhead.measure.sampling import Precision, Samples
from ebpf_overhead.measure.stats import CONFIDENCE, Interval
from ebpf_overhead.workload import clock


def test_difference_of_a_block_is_that_of_its_medians():
    samples = Samples((1, 2, 900, 5, 5, 5), (11, 12, 13, 5, 6, 7), 3, 1000)
    assert samples.differences() == [10, 1]


@pytest.mark.parametrize(
    ("precision", "estimate", "half_width", "reached"),
    [
        (Precision(0.01, 1.0), 50, 1.0, True),
        (Precision(0.01, 1.0), 50, 1.01, False),
        (Precision(0.01, 1.0), 500, 5.0, True),
        (Precision(0.01, 1.0), -500, 5.0, True),
        (Precision(0.01, 1.0), 500, 5.1, False),
        (Precision(0.01, 0.0), 50, 0.6, False),
        (Precision(0.0, 0.5), 5000, 0.6, False),
        (Precision(0.01, 1.0), 50, math.inf, False),
    ],
)
def test_precision_is_the_larger_of_both_bounds(precision, estimate, half_width, reached):
    result = Interval(estimate, estimate - half_width, estimate + half_width, CONFIDENCE)
    assert precision.reached(result) is reached


def test_choice_of_the_cpu(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 2, 3})
    assert sampling.choose_cpu() == 5
    assert sampling.choose_cpu(2) == 2
    with pytest.raises(BadUseError, match=r"CPU 4 is not available; choose of \[2, 3, 5\]"):
        sampling.choose_cpu(4)


class Steady:
    """An extension whose calls all take the same time, but for some windows."""

    def __init__(self, per_call_ns: float, disturbed: int = 1) -> None:
        self.per_call_ns = per_call_ns
        self.disturbed = disturbed

    def run(self, target, calls, windows=1, cpu=None):
        elapsed = [round(self.per_call_ns * calls)] * windows
        for number in range(self.disturbed):
            elapsed[number] *= 1000  # the first one finds nothing in the caches
        return elapsed, calls * windows


@pytest.mark.parametrize("per_call_ns", [20.0, 117.0, 400.0])
def test_calibrated_window_has_the_clocks_length(monkeypatch, per_call_ns):
    monkeypatch.setattr(sampling, "_workload", Steady(per_call_ns))
    calls = sampling.calibrate("getpid", 0)
    assert calls * per_call_ns == pytest.approx(400_000, rel=0.2)


def test_calibration_goes_by_the_least_disturbed_window(monkeypatch):
    monkeypatch.setattr(sampling, "_workload", Steady(100, disturbed=4))
    assert sampling.calibrate("getpid", 0) == 4000


@pytest.mark.parametrize(("per_call_ns", "calls"), [(1e7, 1), (40_000, 10), (8_000, 100)])
def test_windows_of_expensive_calls_have_few(monkeypatch, per_call_ns, calls):
    """And a hundred where that is not much longer than a window is to be."""
    monkeypatch.setattr(sampling, "_workload", Steady(per_call_ns))
    assert sampling.calibrate("getpid", 0) == calls


class StartsExpensively(Steady):
    """The first call of a window takes more."""

    def __init__(self, per_call: float, first: float) -> None:
        super().__init__(per_call, disturbed=0)
        self.first = first

    def run(self, target, calls, windows=1, cpu=None):
        elapsed, made = super().run(target, calls, windows, cpu)
        return [round(each + self.first) for each in elapsed], made


@pytest.mark.parametrize(
    ("per_call", "first", "windows"),
    [
        (300, 10_000, (600, 5)),  # cheap calls are not looked at
        (8_000, 0, (100, 5)),
        (10_000, 40, (19, 5)),
        (10_000, 6_000, (869, 1)),
        (200_000, 400_000, (33, 1)),
        (3_000_000, 6_000_000, (20, 1)),  # never fewer
    ],
)
def test_windows_are_long_where_short_ones_do_not_agree(monkeypatch, per_call, first, windows):
    monkeypatch.setattr(sampling, "_workload", StartsExpensively(per_call, first))
    assert sampling.half_block_of("exec", 0).windows == clock.WALL.windows_per_half
    monkeypatch.setenv(clock.VARIABLE, "icount")
    assert sampling.half_block_of("exec", 0) == windows
    assert sampling.long_half_block_of("exec", 0).is_long == (per_call > 2_000)


def test_calibration_stays_within_bounds(monkeypatch):
    monkeypatch.setattr(sampling, "_workload", Steady(1e-9))
    assert 100 <= sampling.calibrate("getpid", 0) <= 10_000_000
