"""The price of a record is that of the rate, where the rate decides and can be had."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.measure.cost_at_rate import CostAtRate
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate import at_rate as module
from ebpf_overhead.tools.estimate import run
from ebpf_overhead.tools.estimate.at_rate import at_rate
from ebpf_overhead.tools.estimate.calling import mostly_asleep
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place

FLAT_OUT = Interval(200.0, 190.0, 220.0, 0.99)
ASLEEP = Interval(11_000.0, 10_500.0, 11_500.0, 0.99)


class FlatOut:
    """Costs of events that follow each other directly."""

    def __init__(self, *, given: bool = False, overhead: Interval | None = FLAT_OUT) -> None:
        self.given, self.overhead = given, overhead

    def of(self, attach, program, first=None):
        return EventCost(attach, program, self.overhead, "stored 2026-12-01")

    def is_given(self, cost):
        return self.given

    def workload(self, attach, program, first):
        return "getpid"

    def of_bystanders(self, attach, program):
        return FLAT_OUT


@pytest.fixture
def measured(monkeypatch):
    """The workload and the pace of each cost that was measured."""
    seen = []

    def cost(case, pacing, time_s):
        seen.append((case.workload.name, pacing.per_s, pacing.sleeps))
        return CostAtRate(ASLEEP, float(pacing.per_s), pacing.sleeps, 0.0, True)

    monkeypatch.setattr(module.cost_at_rate, "cost_at_rate", cost)
    monkeypatch.setattr(module.cost_at_rate, "require", lambda: None)
    monkeypatch.setattr(module, "wakes_reader", lambda program: program == "ringbuf_output")
    return seen


@pytest.mark.parametrize(("called", "workload"), [("getpid", "stat"), ("openat", "getpid")])
def test_cost_is_that_of_the_rate_on_a_call_that_nobody_else_makes(measured, called, workload):
    places = [Place("syscall", called)]
    prices = at_rate(FlatOut(), "ringbuf_output", 9_999.8, places, sleeps=lambda: True)
    for _ in range(2):  # it is measured once
        cost = prices.of("tracepoint", "ringbuf_output")
        assert (cost.overhead, cost.per_s, cost.caller_sleeps) == (ASLEEP, 10_000, True)
        assert cost.origin == "measured now"
    assert measured == [(workload, 10_000, True)]


def test_others_pay_at_the_rate_where_they_write_records_too(measured):
    prices = at_rate(FlatOut(), "ringbuf_output", 5_000, [])
    assert prices.of_bystanders("tp_btf", "ringbuf_output") == ASLEEP
    assert prices.of_bystanders("tracepoint", "ringbuf_output") == FLAT_OUT
    assert len(measured) == 1


@pytest.mark.parametrize(("program", "per_s"), [("simple", 10_000.0), ("ringbuf_output", 0.0)])
def test_rate_is_nothing_to_a_program_without_records_or_events(measured, program, per_s):
    costs = FlatOut()
    assert at_rate(costs, program, per_s, []) is costs


def test_cost_stays_what_it_is_where_no_reader_can_sleep(measured, monkeypatch):
    def refuse():
        raise UnsupportedError("one CPU")

    monkeypatch.setattr(module.cost_at_rate, "require", refuse)
    costs = FlatOut()
    assert at_rate(costs, "ringbuf_output", 10_000, []) is costs


@pytest.mark.parametrize("costs", [FlatOut(given=True), FlatOut(overhead=None)])
def test_cost_that_was_given_or_is_unknown_stays(measured, costs):
    prices = at_rate(costs, "ringbuf_output", 10_000, [])
    assert prices.of("tracepoint", "ringbuf_output") == costs.of("tracepoint", "ringbuf_output")
    assert not measured


def test_what_cannot_be_measured_at_the_rate_has_no_price(measured, monkeypatch):
    def fail(case, pacing, time_s):
        raise FailedError("lost 3 of 43 records")

    monkeypatch.setattr(module.cost_at_rate, "cost_at_rate", fail)
    cost = at_rate(FlatOut(), "ringbuf_output", 10_000, []).of("tracepoint", "ringbuf_output")
    assert (cost.overhead, cost.status, cost.reason) == (None, "failed", "lost 3 of 43 records")


@pytest.mark.parametrize(
    ("waits", "asleep"),
    [
        ({1: (0, 900), 2: (5, 5)}, True),
        ({1: (0, 90_000), 2: (0, 0)}, True),
        ({1: (0, 450), 2: (0, 10)}, False),
        ({1: (0, 0), 2: (7, 7)}, False),
        ({2: (0, 100)}, True),  # the other one has ended
        ({}, False),
    ],
)
def test_callers_sleep_if_most_passes_follow_a_wait(waits, asleep):
    passes = Counter({1: 900, 2: 100})
    before, after = ({thread: each[end] for thread, each in waits.items()} for end in (0, 1))
    assert mostly_asleep(passes, before, after) is asleep


@pytest.mark.parametrize(
    ("sleeps", "idle", "said"),
    [(False, False, True), (False, True, False), (True, False, False), (True, True, False)],
)
def test_a_caller_that_works_finds_a_cpu_idle_which_ours_took(monkeypatch, sleeps, idle, said):
    monkeypatch.setattr(run.statistics, "warning", lambda: None)
    cost = EventCost("tracepoint", "ringbuf_output", ASLEEP, "now", per_s=10_000.0)
    notes = run.notes("ringbuf_output", replace(cost, caller_sleeps=sleeps, reader_idle=idle))
    assert any("no CPU was idle" in each for each in notes) is said
