"""What a call of a workload passes, from counts that something disturbs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ebpf_overhead.tools.passes import counting
from ebpf_overhead.tools.passes.counting import passes, place_of, system_call
from ebpf_overhead.workload.workloads import WORKLOADS

PLACES = [system_call("getpid"), place_of("sched:sched_switch")]
ROUND = 7  # tries of a round


class CounterFake:
    """Counts what the calls of a window pass; ``extra`` says what each try adds to a call."""

    places = PLACES

    def __init__(self, extra):
        self._counts = np.zeros(len(PLACES))
        self._extra = extra
        self.windows = 0

    def call(self, name, calls, cpu):
        added = self._extra(self.windows // 2)
        self._counts += [calls, added * calls]
        self.windows += 1

    def read(self):
        return self._counts.copy()


@pytest.fixture
def counter(monkeypatch):
    def start(extra):
        counter = CounterFake(extra)
        monkeypatch.setattr(counting, "_workload", SimpleNamespace(run=counter.call))
        return counter

    monkeypatch.setattr(counting, "choose_cpu", lambda: 0)
    return start


def test_agreeing_counts_take_one_round(counter):
    fake = counter(lambda _try: 0)
    found = passes(fake, WORKLOADS["getpid"])
    assert [found[place].times for place in PLACES] == [1, 0]
    assert fake.windows == 2 * ROUND


@pytest.mark.parametrize("rounds", [1, 2])
def test_disturbed_round_is_counted_again(counter, rounds):
    fake = counter(lambda number: 1 if number < rounds * ROUND else 0)
    found = passes(fake, WORKLOADS["getpid"])
    assert [found[place].times for place in PLACES] == [1, 0]
    assert fake.windows == 2 * ROUND * (rounds + 1)


def test_what_is_there_every_time_is_found(counter):
    fake = counter(lambda _try: 1)
    found = passes(fake, WORKLOADS["getpid"])
    assert [found[place].times for place in PLACES] == [1, 1]
    assert fake.windows == 2 * ROUND * 3


def test_number_that_is_no_whole_one_is_none(counter):
    found = passes(counter(lambda _try: 0.5), WORKLOADS["getpid"])
    assert found[PLACES[1]].times is None
    assert found[PLACES[1]].average == 0.5
