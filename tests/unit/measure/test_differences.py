"""How much more one case costs than another: paired where they took turns."""

from __future__ import annotations

import random
from dataclasses import replace
from math import hypot
from pathlib import Path

import pytest

from ebpf_overhead.hooks.cases import Bystander, CoAttached, select
from ebpf_overhead.measure.differences import comparable, compared, differences, in_same_rounds
from ebpf_overhead.measure.result import Measurement, Result
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.undisturbed import Level, Levels, Scatter, difference
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.workload.workloads import WORKLOADS

NONE = Scatter(0.0, 1000)
KPROBE, FENTRY = select(["kprobe", "fentry"], ["empty"])[::-1]
ROUNDS = 20


def measured(overhead: Interval, levels: Levels | None = None) -> Measurement:
    samples = Samples((100.0,), (150.0,), 1, 100)
    hits = Hits(100, 100, 0)
    return Measurement(samples, overhead, hits, 0, None, "precision", "point", levels=levels)


def in_turns(*true_ns: float, seed: int = 0) -> list[Measurement]:
    """Return measurements of one run, in whose rounds calls take up to 50 ns longer."""
    generator = random.Random(seed)
    slower = [50 * generator.random() for _ in range(ROUNDS)]

    def level(true_ns: float) -> Level:
        return Level([[true_ns + each + generator.random() for _ in range(16)] for each in slower])

    baseline = level(100.0)
    found = []
    for each in true_ns:
        levels = Levels(baseline, level(100.0 + each))
        found.append(measured(difference(levels.probed, levels.baseline, NONE), levels))
    return found


def test_a_difference_is_that_of_the_overheads_and_holds_the_true_one():
    for seed in range(20):
        more, less = in_turns(146.0, 50.0, seed=seed)
        found = compared(more, less, NONE)
        assert found.estimate == pytest.approx(more.overhead.estimate - less.overhead.estimate)
        assert found.low - 0.5 < 96.0 < found.high + 0.5
        assert found.half_width < 1.0


def test_what_slows_a_round_down_is_in_both_and_cancels():
    more, less = in_turns(60.0, 50.0)
    (other,) = in_turns(50.0, seed=1)
    assert more.levels is not None
    assert other.levels is not None
    in_other_rounds = difference(more.levels.probed, other.levels.probed, NONE)
    assert compared(more, less, NONE).half_width < in_other_rounds.half_width / 3
    assert not in_same_rounds(more, other)


def test_what_varies_from_run_to_run_widens_it():
    more, less = in_turns(60.0, 50.0)
    margin = Scatter(0.01, 1000).margin(160.0)
    assert compared(more, less, Scatter(0.01, 1000)).half_width >= margin > 4.0


def test_cases_that_did_not_take_turns_are_independent():
    one = measured(Interval(60.0, 57.0, 64.0, 0.99))
    other = measured(Interval(50.0, 46.0, 53.0, 0.99))
    found = compared(one, other, Scatter(0.01, 5))
    assert found == Interval(10.0, 10.0 - hypot(3.0, 3.0), 10.0 + hypot(4.0, 4.0), 0.99)


def test_instructions_are_exact():
    exact = [measured(Interval(each, each, each, 0.99)) for each in (360.0, 129.0)]
    assert compared(*exact, Scatter()) == Interval(231.0, 231.0, 231.0, 0.99)


def test_each_pair_is_found_once_with_its_places():
    measurements = iter(in_turns(146.0, 50.0, 52.0))
    kprobe, fentry, simple = KPROBE, FENTRY, select(["fentry"], ["simple"])[0]
    results = [
        Result(kprobe, "measured", measurement=next(measurements)),
        Result(kprobe, "failed", "no"),
        Result(fentry, "measured", measurement=next(measurements)),
        Result(simple, "measured", measurement=next(measurements)),
    ]
    found = differences(results, NONE)
    assert [(each.first, each.second, each.paired) for each in found] == [
        (2, 0, True),
        (3, 2, True),
    ], "kprobe/empty and fentry/simple differ in two things"
    assert found[0].more.high < 0 < found[1].more.high


def own(name: str) -> Program:
    return Program(name, "", "", Path(name))


def test_what_is_compared_with_what():
    kprobe, fentry = KPROBE, FENTRY
    assert comparable(kprobe, fentry)
    read = WORKLOADS["read"]
    for other in (
        replace(fentry, workload=read),
        replace(fentry, statistics=True),
        replace(fentry, caller=Bystander(read)),
        replace(fentry, co_attached=CoAttached((kprobe,))),
    ):
        assert not comparable(kprobe, other)
    beside = [replace(each, co_attached=CoAttached((each,))) for each in (kprobe, fentry)]
    assert comparable(*beside)
    old, new = (replace(kprobe, program=own(name)) for name in ("old.c", "new.c"))
    assert comparable(old, new)
    assert comparable(old, replace(new, attach=fentry.attach))
    assert not comparable(old, fentry)
