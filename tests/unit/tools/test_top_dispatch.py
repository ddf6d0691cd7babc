"""Dispatch, which statistics leave out: stored, measured once, or unknown for a reason."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from processes import holding_lock

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure import cost_cache
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.top import dispatch, left_out
from ebpf_overhead.tools.top import free_place as free_place_module
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.dispatch import DispatchCosts
from ebpf_overhead.tools.top.free_place import free_place


def interval(value: float) -> Interval:
    return Interval(value, value - 1, value + 1, 0.99)


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    # Whoever else uses this kernel may have its statistics on.
    monkeypatch.setattr(cost_cache.statistics, "are_on", lambda: False)
    return Store(tmp_path / "x.json")


@pytest.fixture
def measured(monkeypatch, tmp_path) -> list[str]:
    """What was measured, in a kernel that has no fentry, and whose statistics are off."""
    monkeypatch.setattr(dispatch, "_ALWAYS_ON", tmp_path / "off")
    done: list[str] = []

    def measure(case) -> Interval:
        done.append(case.attach.name)
        assert case.workload.name in ("getpid", "function_ret"), case.name
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


def test_dispatch_of_a_uprobe_is_measured_on_a_function_that_begins_so(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["uprobe on function_ret"])
    assert measured[0] == "uprobe"
    assert costs.of("uprobe on function_ret").left_out == interval(300.0)


def test_dispatch_is_measured_once_and_stored(store, measured):
    lines: list[str] = []
    costs = DispatchCosts(store, lines.append)
    costs.learn(["kprobe"])
    assert measured == ["kprobe", "statistics", "slow path"]
    assert len(lines) == 3
    assert costs.of("kprobe").left_out == interval(300.0)
    again = DispatchCosts(store)
    again.learn(["kprobe"])
    assert len(measured) == 3
    assert again.of("kprobe").origin.startswith("stored 20")
    assert (again.statistics, again.slow_path) == (interval(70.0), interval(30.0))


def test_slow_path_is_not_measured_while_system_calls_are_traced(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["tp_btf"], {Attachment("tp_btf", "sys_enter")})
    assert costs.slow_path is None
    assert "slow path" not in measured
    # It is, as soon as nothing does.
    costs.learn(["kprobe"])
    assert costs.slow_path == interval(30.0)


def test_unsupported_attach_type_has_a_reason_and_is_tried_once(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["fentry"])
    assert costs.of("fentry").left_out is None
    assert costs.of("fentry").reason == "EPERM at load: fentry refused"
    assert costs.unknown(["fentry", "kprobe", None]) == {"kprobe"}


def test_measured_later_while_something_else_measures(store, measured, own_lock):
    costs = DispatchCosts(store)
    with holding_lock(own_lock) as other:
        costs.learn(["kprobe"])
        assert measured == []
        assert costs.of("kprobe").reason.startswith("not measured yet: another measurement runs")
        assert f"process {other.pid} " in costs.of("kprobe").reason
    assert costs.unknown(["kprobe"]) == {"kprobe"}
    costs.learn(["kprobe"])
    assert costs.of("kprobe").left_out == interval(300.0)
    assert costs.statistics == interval(70.0)
    assert costs.unknown(["kprobe"]) == set()


def test_without_measuring(store, measured):
    costs = DispatchCosts(store, measuring=False)
    costs.learn(["kprobe"])
    assert measured == []
    assert costs.of("kprobe").reason == "not measured on this kernel"
    assert costs.of(None).reason == "no measured attach type is similar"
    assert costs.statistics is None


def test_nothing_is_measured_while_statistics_are_permanently_on(
    store, measured, monkeypatch, tmp_path
):
    switch = tmp_path / "bpf_stats_enabled"
    switch.write_text("1\n")
    monkeypatch.setattr(dispatch, "_ALWAYS_ON", switch)
    costs = DispatchCosts(store)
    costs.learn(["kprobe"])
    assert measured == []
    assert "is 1, which makes every run more expensive" in costs.of("kprobe").reason
    switch.write_text("0\n")
    again = DispatchCosts(store)
    again.learn(["kprobe"])
    assert "kprobe" in measured


@pytest.mark.parametrize(("name", "traced"), [("tp_btf", True), ("kprobe", False)])
def test_tracepoints_are_measured_with_system_calls_already_traced(monkeypatch, name, traced):
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
    with left_out._already_traced(case):
        assert attached == (["raw_tracepoint_exit"] if traced else [])
    assert attached == []


SYS_ENTER, SYS_EXIT = (Attachment("tracepoint", name) for name in ("sys_enter", "sys_exit"))


@pytest.mark.parametrize(
    ("kind", "hooks", "place", "alone"),
    [
        ("raw_syscalls", [], "raw_syscalls:sys_enter", True),
        ("raw_syscalls", [SYS_ENTER], "raw_syscalls:sys_exit", True),
        ("raw_syscalls", [SYS_EXIT], "raw_syscalls:sys_enter", True),
        ("tp_btf", [SYS_ENTER], "sys_exit", True),
        ("raw_tracepoint", [SYS_ENTER, SYS_EXIT], "sys_enter", False),
        ("tracepoint", [SYS_ENTER], "syscalls:sys_enter_getpid", False),
        ("kprobe", [SYS_ENTER, SYS_EXIT], "__x64_sys_getpid", True),
    ],
)
def test_dispatch_is_measured_where_nobody_shares_the_way(kind, hooks, place, alone):
    found = free_place(select([kind], ["empty"], ["getpid"])[0], hooks)
    assert found.alone == alone
    assert free_place_module.place_of(found.case).endswith(place.removeprefix("__x64_"))


def test_no_place_is_free_so_dispatch_is_unknown(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["raw_syscalls"], [SYS_ENTER, SYS_EXIT])
    assert "raw_syscalls" not in measured
    assert costs.of("raw_syscalls").left_out is None
    assert "other programs are at raw_syscalls:sys_enter and" in costs.of("raw_syscalls").reason


def test_dispatch_measured_near_others_is_not_stored(store, measured):
    costs = DispatchCosts(store)
    costs.learn(["raw_tracepoint"], [SYS_ENTER, SYS_EXIT])
    assert costs.of("raw_tracepoint").left_out == interval(300.0)
    assert DispatchCosts(store, measuring=False).of("raw_tracepoint").left_out is None


def test_dispatch_is_never_below_zero(monkeypatch):
    monkeypatch.setattr(left_out, "_already_traced", lambda case: nullcontext())
    monkeypatch.setattr(left_out, "_reported", lambda case: Interval(46.0, 45.0, 47.0, 0.99))
    whole = SimpleNamespace(overhead=Interval(41.0, 38.0, 50.0, 0.99))
    monkeypatch.setattr(left_out, "_measured", lambda case, sampling: whole)
    found = left_out.measure_left_out(select(["tp_btf"], ["empty"])[0])
    assert (found.estimate, found.low) == (0.0, 0.0)
    assert found.high > 0


def test_cost_per_run_of_a_program_that_runs_twice_per_call():
    assert Interval(10, 8, 12, 0.99) / 2 == Interval(5, 4, 6, 0.99)


@pytest.mark.parametrize("second", [30.0, 39.0])
def test_slow_path_is_never_below_zero(monkeypatch, second):
    overheads = iter([Interval(20.0, 18.0, 32.0, 0.99), Interval(second, second, second, 0.99)])
    monkeypatch.setattr(left_out, "_traced_system_calls", nullcontext)
    monkeypatch.setattr(
        left_out, "_measured", lambda case, sampling: SimpleNamespace(overhead=next(overheads))
    )
    if second > 32.0:
        with pytest.raises(FailedError, match="cannot take"):
            left_out.measure_slow_path()
    else:
        assert left_out.measure_slow_path().estimate == 0.0
