"""The interval of several processes: what it holds where their spread is known."""

from __future__ import annotations

import random
from math import hypot

import pytest

from ebpf_overhead.measure.processes import of_processes
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.undisturbed import Scatter

ROUNDS, TRUE = 2000, 100.0
# Of a call that takes 1000 ns: runs lie 1 ns apart.
PER_CALL, SCATTER = 1000.0, Scatter(0.001, 5)
MARGIN = SCATTER.margin(PER_CALL)


def found(estimate: float, half: float) -> Interval:
    return Interval(estimate, estimate - half, estimate + half, 0.99)


def test_one_process_has_the_interval_that_it_found():
    alone = Interval(50.0, 49.0, 58.0, 0.99)
    assert of_processes([alone], SCATTER, PER_CALL) is alone


def test_processes_that_agree_make_it_narrower_and_others_wider():
    alike = of_processes([found(50.0, 5.0)] * 4, SCATTER, PER_CALL)
    far = [found(50.0 + each, 5.0) for each in (-20, 20, -20, 20)]
    apart = of_processes(far, SCATTER, PER_CALL)
    assert alike.estimate == apart.estimate == 50.0
    assert alike.half_width < 5.0 < 20.0 < apart.half_width
    assert apart.high - apart.estimate == pytest.approx(apart.estimate - apart.low)


def test_what_agrees_exactly_stays_exact():
    assert of_processes([found(231.0, 0.0)] * 3, Scatter(), 0.0) == found(231.0, 0.0)


def missed(processes: int, between: float, within: float) -> float:
    """Return the share of runs whose interval does not hold the truth.

    Each process says how far apart its windows are, and what is assumed of runs.
    """
    generator = random.Random(processes)
    half = hypot(MARGIN, 2.576 * within)
    outside = 0
    for _ in range(ROUNDS):
        estimates = [
            TRUE + generator.gauss(0, between) + generator.gauss(0, within)
            for _ in range(processes)
        ]
        whole = of_processes([found(each, half) for each in estimates], SCATTER, PER_CALL)
        outside += not whole.low <= TRUE <= whole.high
    return outside / ROUNDS


@pytest.mark.parametrize("processes", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("within", [0.0, 1.0, 5.0])
def test_it_holds_the_truth_as_often_as_it_says(processes, within):
    """With 99 of 100; 2,000 runs may miss by chance a little more often."""
    assert missed(processes, between=1.0, within=within) < 0.018


@pytest.mark.parametrize(("processes", "most"), [(2, 0.09), (5, 0.04), (10, 0.018), (20, 0.018)])
def test_more_processes_make_up_for_what_was_assumed_wrongly(processes, most):
    """They lie three times as far apart; ten of them are enough to know that."""
    assert missed(processes, between=3.0, within=0.5) < most
