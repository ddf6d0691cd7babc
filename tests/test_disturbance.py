"""Which cases were measured on a slower machine, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ebpf_overhead import clock, disturbance
from ebpf_overhead.bystander import BYSTANDERS
from ebpf_overhead.cases import select
from ebpf_overhead.company import Beside
from ebpf_overhead.measure import Measurement, Result
from ebpf_overhead.proof import Hits
from ebpf_overhead.sampling import Samples
from ebpf_overhead.stats import Interval

ONE, TWO, THREE = select(["tp_btf"])
(OF_READ,) = select(["tp_btf"], ["empty"], ["read"])


def result(case, baseline):
    samples = Samples((baseline,) * 2, (baseline + 50,) * 2, 2, 1000)
    overhead = Interval(50, 49, 51, 0.99)
    measurement = Measurement(samples, overhead, Hits(1, 1, 0), 0, None, "time", "hook")
    return Result(case, "measured", measurement=measurement)


@pytest.mark.parametrize(
    ("baselines", "found"),
    [
        ([], []),
        ([93.0, 95.0, 102.0], []),
        ([93.0, 119.0, 95.0, 104.0], [1, 3]),
        ([1.0, 1.6, 3.1], [2]),
    ],
)
def test_baselines_more_than_a_tenth_above_the_best_are_of_a_slower_machine(baselines, found):
    assert disturbance.slower(dict(enumerate(baselines))) == found


def test_each_target_has_a_best_of_its_own_and_only_its_own_call_counts():
    results = [
        result(ONE, 120.0),
        Result(TWO, "unsupported", "not here"),
        result(OF_READ, 180.0),
        result(THREE, 100.0),
        replace(result(ONE, 400.0), bystander=BYSTANDERS[0]),
        replace(result(ONE, 400.0), beside=Beside((ONE,))),
    ]
    assert disturbance.disturbed(results) == [0]


def test_nothing_disturbs_what_is_counted_in_instructions(monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    assert disturbance.disturbed([result(ONE, 100.0), result(TWO, 300.0)]) == []


def test_a_second_measurement_stands_for_the_first_if_the_machine_was_quieter():
    first = [result(ONE, 120.0), result(TWO, 100.0), result(THREE, 130.0), result(ONE, 140.0)]
    second = [
        (0, result(ONE, 101.0)),
        (2, result(THREE, 131.0)),
        (3, Result(ONE, "failed", "it never fired")),
    ]
    better = disturbance.with_better(first, second)
    assert [each.measurement.baseline.median for each in better] == [101, 100, 130, 140]
    assert [each.measurement.repeated for each in better] == [True, False, False, False]
    assert first[0].measurement.baseline.median == 120, "left as it was"
