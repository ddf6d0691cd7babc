"""Windows as asv sees them: a clock that advances by what one call takes."""

from __future__ import annotations

import threading

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure import percall, run_count_check
from ebpf_overhead.measure.run_count_check import Hits

(CASE,) = select(["tp_btf"], ["simple"])


def test_clock_advances_by_the_seconds_of_one_call():
    clock = percall.PerCallClock()
    assert clock() == 0
    clock.advance(117_000, 1000)
    assert clock() == pytest.approx(117e-9)
    clock.advance(200, 1)
    assert clock() == pytest.approx(317e-9)
    assert clock() == clock(), "reading it takes no time"


class FakeWorkload:
    def __init__(self) -> None:
        self.calls_asked: list[int] = []
        self.threads: set[int] = set()

    def run(self, target, calls, windows=1, cpu=None):
        self.calls_asked.append(calls)
        self.threads.add(threading.get_native_id())
        warming = [900 * calls] * (windows - 1)
        return [*warming, 117 * calls], calls * windows


def test_one_timed_call_is_one_window_of_calibrated_length(monkeypatch):
    workload = FakeWorkload()
    monkeypatch.setattr(percall, "_workload", workload)
    monkeypatch.setattr(percall, "calibrate", lambda target, cpu: 3400)
    window = percall.Window("getpid")
    before = percall.CLOCK()
    window()
    window()
    assert workload.calls_asked == [3400, 3400]
    assert percall.CLOCK() - before == pytest.approx(2 * 117e-9), "the first one warms up"
    assert len(workload.threads - {threading.get_native_id()}) == 2


class FakeProbe:
    case = CASE

    def __init__(self) -> None:
        self.attached = False
        self.closed = False

    def attach(self) -> None:
        self.attached = True

    def close(self) -> None:
        self.attached = False
        self.closed = True


class FakeCallerCounter:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def proven(monkeypatch):
    """Attach a probe that counts a number of hits; the probe, and what proved it."""

    def proven(hits: int):
        probe, caller_counter = FakeProbe(), FakeCallerCounter()
        monkeypatch.setattr(percall, "load", lambda case: probe)
        monkeypatch.setattr(
            run_count_check, "open_caller_counter", lambda target, at_exit: caller_counter
        )
        monkeypatch.setattr(
            run_count_check,
            "count_hits",
            lambda probe, calls, call, caller_counter: Hits(calls, hits, 0),
        )
        return probe, caller_counter

    return proven


def test_proven_probe_stays_attached_and_its_caller_counter_does_not(proven):
    probe, caller_counter = proven(hits=1000)
    assert percall.attach_proven(CASE) is probe
    assert probe.attached
    assert caller_counter.closed


def test_probe_that_does_not_fire_is_closed(proven):
    probe, caller_counter = proven(hits=999)
    with pytest.raises(FailedError, match="999 hits for 1000 calls"):
        percall.attach_proven(CASE)
    assert probe.closed
    assert caller_counter.closed
