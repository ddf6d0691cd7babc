"""What the statistics leave out: stored, measured once, or not known, and why."""

from __future__ import annotations

import pytest

from ebpf_overhead.cases import select
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.loaded import dispatch, left_out
from ebpf_overhead.loaded.dispatch import DispatchCosts
from ebpf_overhead.stats import Interval
from ebpf_overhead.stored import Store


def interval(value: float) -> Interval:
    return Interval(value, value - 1, value + 1, 0.99)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "x.json")


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """What was measured, in a kernel that has no fentry."""
    done: list[str] = []

    def measure(case) -> Interval:
        done.append(case.attach.name)
        if case.attach.name == "fentry":
            raise UnsupportedError("EPERM at load: fentry refused")
        return interval(300.0)

    def once(name: str, value: float):
        def measure() -> Interval:
            done.append(name)
            return interval(value)

        return measure

    monkeypatch.setattr(dispatch, "measure_left_out", measure)
    monkeypatch.setattr(dispatch, "measure_statistics", once("statistics", 70.0))
    monkeypatch.setattr(dispatch, "measure_slow_path", once("slow path", 30.0))
    return done


def test_measured_once_and_found_the_next_time(store, measured):
    lines: list[str] = []
    costs = DispatchCosts(store, lines.append)
    costs.learn(["kprobe"], traced=False)
    assert measured == ["kprobe", "statistics", "slow path"]
    assert len(lines) == 3
    assert costs.of("kprobe").left_out == interval(300.0)
    again = DispatchCosts(store)
    again.learn(["kprobe"], traced=False)
    assert len(measured) == 3
    assert again.of("kprobe").origin.startswith("stored 20")
    assert (again.statistics, again.slow_path) == (interval(70.0), interval(30.0))


def test_slow_path_is_not_measured_while_something_traces(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["tp_btf"], traced=True)
    assert costs.slow_path is None
    assert "slow path" not in measured
    # It is, as soon as nothing does.
    costs.learn(["kprobe"], traced=False)
    assert costs.slow_path == interval(30.0)


def test_what_this_kernel_cannot_do_has_its_reason_and_is_not_tried_again(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["fentry"], traced=False)
    assert costs.of("fentry").left_out is None
    assert costs.of("fentry").reason == "EPERM at load: fentry refused"
    assert costs.unknown(["fentry", "kprobe", None]) == {"kprobe"}


def test_without_measuring(store, measured):
    costs = DispatchCosts(store, measuring=False)
    costs.learn(["kprobe"], traced=False)
    assert measured == []
    assert costs.of("kprobe").reason == "not measured on this kernel"
    assert costs.of(None).reason == "no measured attach type is like it"
    assert costs.statistics is None


def test_nothing_is_measured_while_the_statistics_are_on_for_good(
    store, measured, monkeypatch, tmp_path
):
    switch = tmp_path / "bpf_stats_enabled"
    switch.write_text("1\n")
    monkeypatch.setattr(dispatch, "_ALWAYS_ON", switch)
    costs = DispatchCosts(store)
    costs.learn(["kprobe"], traced=False)
    assert measured == []
    assert "is 1, which makes every run dearer" in costs.of("kprobe").reason
    switch.write_text("0\n")
    again = DispatchCosts(store)
    again.learn(["kprobe"], traced=False)
    assert "kprobe" in measured


@pytest.mark.parametrize(("name", "traced"), [("tp_btf", True), ("kprobe", False)])
def test_tracepoints_are_measured_beside_one_that_takes_the_slow_path(monkeypatch, name, traced):
    attached: list[str] = []

    class FakeProbe:
        def __init__(self, case) -> None:
            self.name = case.attach.name

        def __enter__(self):
            return self

        def __exit__(self, *error) -> None:
            attached.remove(self.name)

        def attach(self) -> None:
            attached.append(self.name)

    monkeypatch.setattr(left_out, "load", FakeProbe)
    (case,) = select([name], ["empty"], ["getpid"])
    with left_out._beside(case):
        assert attached == (["raw_tracepoint_exit"] if traced else [])
    assert attached == []


def test_cost_of_a_run_that_runs_twice_a_call():
    assert left_out._a_run(Interval(10, 8, 12, 0.99), 2) == Interval(5, 4, 6, 0.99)
