"""The undisturbed overhead: what it is worth on machines whose disturbances are known."""

from __future__ import annotations

import random
from statistics import stdev
from types import SimpleNamespace
from typing import Any

import pytest

from ebpf_overhead.measure.earlier_runs import EarlierRuns, Found, combined
from ebpf_overhead.measure.undisturbed import Level, Scatter, difference, student_t

NONE = Scatter(0.0, 1000)


def rounds(true_ns: float, disturbed: float, seed: int, count: int = 12) -> list[list[float]]:
    """Return windows: in some rounds all calls take a fifth more, and single windows much more."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        slower = 1.2 if generator.random() < disturbed else 1.0
        found.append(
            [
                true_ns * slower
                + generator.expovariate(2.0)
                + (generator.random() < 0.1) * generator.expovariate(0.02)
                for _ in range(16)
            ]
        )
    return found


@pytest.mark.parametrize("disturbed", [0.0, 0.5])
def test_disturbed_rounds_do_not_move_it(disturbed):
    for seed in range(30):
        probed, baseline = rounds(150.0, disturbed, 2 * seed), rounds(100.0, 0.0, 2 * seed + 1)
        found = difference(Level(probed), Level(baseline), Scatter())
        assert found.estimate == pytest.approx(50.0, abs=0.5)
        assert found.low <= 50.0 <= found.high


def test_interval_reaches_as_far_as_the_few_rounds_that_were_quiet_support_it():
    """Two of twelve were: without them, as in some resamples, the call takes a fifth more."""
    level = Level([[150.0] * 16] * 2 + [[180.0] * 16] * 10)
    found = difference(level, Level([[100.0] * 16] * 12), NONE)
    assert found.estimate == 50.0
    assert found.high == pytest.approx(80.0, abs=0.1)


def test_level_is_the_value_below_which_a_twentieth_of_the_windows_lie():
    assert Level([list(range(1, 21))]).estimate == 1
    assert Level([list(range(1, 21)), list(range(21, 41))]).estimate == 2
    assert Level([[7.0]]).resampled == [7.0] * len(Level([[7.0]]).resampled)


def test_levels_of_as_many_rounds_are_resampled_alike():
    """What disturbs a round disturbs it in both, and leaves their difference alone."""
    one = [[100.0 + number] * 16 for number in range(10)]
    other = [[130.0 + number] * 16 for number in range(10)]
    found = difference(Level(other), Level(one), NONE)
    assert (found.estimate, found.low, found.high) == (30.0, 30.0, 30.0)


def test_interval_is_as_wide_as_runs_lie_apart():
    still = [[100.0] * 16] * 10
    found = difference(Level([[200.0] * 16] * 10), Level(still), Scatter(0.01, 1000))
    assert found.half_width == pytest.approx(2.58 * 0.01 * 200, rel=0.01)


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    # Of the tables in Abramowitz and Stegun, 26.10.
    [(0.995, 5, 4.032), (0.995, 10, 3.169), (0.995, 30, 2.750), (0.975, 5, 2.571)],
)
def test_quantiles_of_students_distribution(probability, degrees, expected):
    assert student_t(probability, degrees) == pytest.approx(expected, rel=0.01)


def runs(deviation: float, count: int, seed: int = 0) -> list[dict[str, Found]]:
    generator = random.Random(seed)
    return [
        {
            name: Found(overhead + generator.gauss(0, deviation) * 250, 250.0)
            for name, overhead in (("one", 60.0), ("other", 150.0))
        }
        for _ in range(count)
    ]


def test_without_a_history_the_scatter_is_the_assumed_one():
    assert combined([]) == combined(runs(0.1, 1)) == Scatter()


@pytest.mark.parametrize("deviation", [0.0005, 0.02])
def test_a_history_outweighs_what_is_assumed(deviation):
    few, many = combined(runs(deviation, 3)), combined(runs(deviation, 20))
    assert (few.degrees, many.degrees) == (7, 24)
    shares = [run["one"].overhead / 250.0 for run in runs(deviation, 20)]
    assert abs(many.relative - stdev(shares)) < abs(Scatter().relative - stdev(shares))
    assert (many.relative > Scatter().relative) == (deviation > Scatter().relative)


def test_runs_of_another_machine_or_a_damaged_file_are_nothing(tmp_path):
    kept = EarlierRuns(tmp_path / "runs.json")
    assert kept.scatter() == Scatter()
    kept.path.write_text("{")
    assert kept.scatter() == Scatter()
    kept.path.write_text('{"machine": {"release": "other"}, "runs": [{}, {}]}')
    assert kept.scatter() == Scatter()
    assert combined([{"one": Found(50.0, 0.0)}] * 3) == Scatter()
    assert combined([{"one": Found(sign * 1e300, 1e-300)} for sign in (1, -1)]) == Scatter()


def restless(seed: int, quiet_rounds: int) -> list[list[float]]:
    """Return a baseline of 100 ns that neighbours make slower, but for some rounds."""
    generator = random.Random(seed)
    slower = [1.0] * quiet_rounds + [generator.uniform(1.3, 1.6) for _ in range(60)]
    return [[100.0 * each + generator.uniform(0, 2) for _ in range(50)] for each in slower]


def test_a_baseline_is_compared_with_the_quietest_part_of_the_run():
    assert Level(restless(1, 0)).unrest() == pytest.approx(0.05, abs=0.05)
    # Two rounds are less than a twentieth of the windows, but not of those of a tenth of the run.
    few = Level(restless(1, 2))
    assert few.estimate > 130
    assert few.quietest == pytest.approx(100, abs=0.5)
    assert few.unrest() == pytest.approx(few.estimate / 100 - 1, rel=0.05)
    assert Level(restless(1, 60)).unrest() < 0.005


def test_earlier_runs_may_have_been_quieter():
    level = Level([[150.0] * 50] * 10)
    assert level.unrest() == 0.0
    assert level.unrest(120.0) == pytest.approx(0.25)
    assert level.unrest(200.0) == 0.0


def test_parts_are_so_long_that_none_is_low_by_chance():
    generator = random.Random(3)
    levels = [
        Level([[generator.gauss(100, 5) for _ in range(4)] for _ in range(250)]) for _ in range(20)
    ]
    assert max(each.unrest() for each in levels) < 0.06
    assert Level([[100.0, 90.0]] * 3).unrest() == 0.0


def test_an_interval_is_wider_by_what_the_baseline_was_restless():
    probed, baseline = Level([[200.0] * 50] * 10), Level([[100.0] * 50] * 10)
    found = difference(probed, baseline, NONE, unrest=0.1)
    assert (found.estimate, found.half_width) == (100.0, pytest.approx(20.0))
    restless_one = Level([[100.0] * 100] + [[120.0] * 100] * 30)
    found = difference(Level([[200.0] * 100] * 31), restless_one, NONE)
    assert found.half_width == pytest.approx(0.2 * 200, rel=0.1)


def test_machine_may_have_been_quieter_in_earlier_runs(tmp_path):
    def result(level: float, name: str = "getpid", bare: bool = True, occupants: Any = ()) -> Any:
        levels = SimpleNamespace(baseline=SimpleNamespace(quietest=level), probed=None)
        measured = SimpleNamespace(levels=levels, stopped_by="time")
        case = SimpleNamespace(bare=bare, workload=SimpleNamespace(name=name))
        return SimpleNamespace(name=name, measurement=measured, case=case, occupants=occupants)

    kept = EarlierRuns(tmp_path / "runs.json")
    kept.add([result(120.0), result(118.0), result(500.0, "read")])
    kept.add([result(7.0, bare=False), result(8.0, occupants=("somebody's",))])
    assert kept.scatter() == Scatter(quietest={"getpid": 118.0, "read": 500.0})
    for _ in range(20):
        kept.add([result(130.0)])
    assert kept.scatter().quietest == {"getpid": 130.0}, "a machine may change for good"
