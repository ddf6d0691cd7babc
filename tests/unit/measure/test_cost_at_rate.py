"""Paced windows on a simulated machine, and which pace stands for a rate."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.machine.activity import Ticks
from ebpf_overhead.measure import cost_at_rate, paced
from ebpf_overhead.measure.paced import PacedWindows, Pacing


def test_difference_is_what_the_probe_adds_whichever_comes_first(monkeypatch):
    attached = []

    def run_paced(workload, calls, gap_ns, most_ns, cpu, sleeps):
        assert (workload, gap_ns, cpu, sleeps) == ("getpid", 100_000, 3, True)
        per_call = 11_100 if attached[-1] else 100
        return calls - 1, (calls - 1) * per_call, calls * gap_ns

    monkeypatch.setattr(paced, "_workload", SimpleNamespace(run_paced=run_paced))
    windows = PacedWindows("getpid", Pacing(10_000, sleeps=True), 50, 3, attached.append)
    order = random.Random(1)
    for _ in range(20):
        windows.round(order)
    assert windows.overhead.estimate == 11_000
    assert (windows.baseline_ns, windows.per_s, windows.left_out) == (100, 10_000, 40)
    assert {tuple(attached[number : number + 2]) for number in range(0, 40, 2)} == {
        (True, False),
        (False, True),
    }


@pytest.mark.parametrize(
    ("per_s", "sleeps", "found"),
    [
        (9_999.6, False, 10_000),
        (3.0, False, 1_000),
        (3e7, False, 1_000_000),
        (250_000.0, True, 10_000),
        (0.5, True, 1_000),
    ],
)
def test_pace_is_one_that_a_single_caller_can_have(per_s, sleeps, found):
    assert cost_at_rate.possible(per_s, sleeps=sleeps) == Pacing(found, sleeps)


def test_nobody_sleeps_where_time_stands_still(monkeypatch):
    standing = SimpleNamespace(current=lambda: SimpleNamespace(layout_sensitive=False))
    monkeypatch.setattr(cost_at_rate, "clock", standing)
    with pytest.raises(UnsupportedError, match="time stands still"):
        cost_at_rate.require()


def test_reader_needs_a_cpu(monkeypatch):
    monkeypatch.setattr(cost_at_rate.os, "sched_getaffinity", lambda pid: {2})
    with pytest.raises(UnsupportedError, match="only one"):
        cost_at_rate.require()


IDLE, BUSY, STOLEN = Ticks(3, 0, 100), Ticks(90, 0, 100), Ticks(5, 60, 100)


@pytest.mark.parametrize(
    ("spent", "cpu", "found"),
    [
        ({0: IDLE, 1: BUSY}, 1, True),
        ({0: IDLE, 1: BUSY}, 0, False),
        ({0: BUSY, 1: BUSY, 2: STOLEN}, 0, False),
        ({0: BUSY, 1: IDLE}, None, True),
        ({}, 0, True),
    ],
)
def test_reader_is_woken_up_on_an_idle_cpu_if_there_is_one(spent, cpu, found):
    before = dict.fromkeys(spent, Ticks(7, 7, 70))
    after = {number: before[number] + more for number, more in spent.items()}
    assert cost_at_rate.another_idle(before, after, cpu) is found


def outcome(monkeypatch, records, lost=0, counted=None):
    monkeypatch.setattr(cost_at_rate, "_CATCH_UP_S", 0)
    compiled = SimpleNamespace(lost_updates=lambda: counted)
    probe = SimpleNamespace(compiled=compiled, case=SimpleNamespace(name="it"))
    buffers = [SimpleNamespace(records=each, lost=lost, consume=lambda: None) for each in records]
    return cost_at_rate._lost_share(probe, buffers)


def test_lost_records_are_counted_once(monkeypatch):
    assert outcome(monkeypatch, [40, 2]) == 0
    assert outcome(monkeypatch, [30], lost=10, counted=10) == 0.25
    assert outcome(monkeypatch, [30], counted=10) == 0.25  # a ring buffer tells its reader nothing


def test_without_records_nothing_was_measured(monkeypatch):
    with pytest.raises(FailedError, match="wrote no record"):
        outcome(monkeypatch, [0], lost=3)


@pytest.mark.parametrize(
    ("precise_after", "time_s", "rounds"),
    [
        (0, 3600, cost_at_rate._ROUNDS_MIN),
        (cost_at_rate._ROUNDS_MIN + 7, 3600, cost_at_rate._ROUNDS_MIN + 7),
        (10**6, -1, cost_at_rate._ROUNDS_MIN),
    ],
)
def test_sampling_ends_when_it_is_precise_or_the_time_is_over(
    monkeypatch, precise_after, time_s, rounds
):
    done = []
    windows = SimpleNamespace(round=done.append, overhead=None)
    precision = SimpleNamespace(reached=lambda overhead: len(done) >= precise_after)
    monkeypatch.setattr(cost_at_rate, "_PRECISION", precision)
    cost_at_rate._sample(windows, time_s)
    assert len(done) == rounds
