"""By what a counter is priced, whatever the place is that it counts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import RefusedError
from ebpf_overhead.hooks.attach_types import COUNTING
from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.hooks.first_instruction import NOP, NOP5, NOP10, OTHER_NOP, PUSH, STEPPED
from ebpf_overhead.measure import cost_cache
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate import costs
from ebpf_overhead.tools.tracers.filters import Filters


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.name)
def test_every_attach_type_that_counts_is_priced_at_sites_of_its_own(monkeypatch, row):
    """A function that is in no BTF is counted by a kprobe, and that has a price, too."""
    seen, closed = [], []

    def attach_counter(compiled, sites, index):
        seen.extend(sites)
        return SimpleNamespace(close=lambda: closed.append(index))

    def paired_difference(workload, switch, time_s):
        switch(True)
        switch(False)
        return Interval(1.0, 1.0, 1.0, 0.99)

    monkeypatch.setattr(costs, "compiled_counter", lambda filters, places: None)
    monkeypatch.setattr(costs, "attach_counter", attach_counter)
    monkeypatch.setattr(costs, "paired_difference", paired_difference)
    workload = costs._workload_of(row).name
    assert costs._measure_counting(row.name, workload).estimate == 1.0
    assert seen
    assert {site.attach_type for site in seen} == {row}
    assert {site.point.pid for site in seen} == {None}, "counting is limited by the filter only"
    assert closed == [0]


@pytest.fixture
def priced(monkeypatch, tmp_path):
    """Costs on a kernel whose workloads cost what the dict says; the workloads asked for."""

    def priced(prices: dict[str, float]):
        asked: list[str] = []

        def measure_cases(cases, sampling, progress):
            for case in cases:
                asked.append(case.workload.name)
                cost = Interval(prices[case.workload.name], 0.0, 0.0, 0.99)
                yield SimpleNamespace(measurement=SimpleNamespace(overhead=cost), changed=())

        monkeypatch.setattr(costs, "measure_cases", measure_cases)
        monkeypatch.setattr(cost_cache.statistics, "are_on", lambda: False)
        return costs.Costs(Store(tmp_path / "store.json")), asked

    return priced


@pytest.mark.parametrize("first", [NOP, NOP5, NOP10, PUSH, STEPPED], ids=lambda each: each.name)
def test_uprobe_is_priced_on_a_function_that_begins_so(priced, first):
    found, asked = priced({first.workload: 700.0})
    for _ in range(2):  # the second time it is stored
        cost = found.of("uprobe", "simple", first)
        assert (cost.overhead.estimate, cost.instruction) == (700.0, first.name)
    assert asked == [first.workload]


def test_costs_of_different_instructions_are_stored_apart(priced):
    found, _ = priced({"function": 500.0, "function_ret": 9000.0})
    assert found.of("uprobe", "simple", NOP).overhead.estimate == 500.0
    assert found.of("uprobe", "simple", STEPPED).overhead.estimate == 9000.0
    assert found.of("uprobe", "simple", NOP).overhead.estimate == 500.0


@pytest.mark.parametrize(("five", "expected"), [(9000.0, 9100.0), (500.0, 600.0), (150.0, 600.0)])
def test_other_nops_are_emulated_where_that_of_five_bytes_is_not_stepped(priced, five, expected):
    prices = {"function": 600.0, "function_nop5": five, "function_ret": 9100.0}
    assert priced(prices)[0].of("uprobe", "simple", OTHER_NOP).overhead.estimate == expected


def test_counting_is_priced_on_a_function_that_begins_so(priced, monkeypatch):
    found, _ = priced({})
    prices = {"function": 500.0, "function_ret": 9000.0}
    monkeypatch.setattr(
        costs, "_measure_counting", lambda attach, name: Interval(prices[name], 0.0, 0.0, 0.99)
    )
    for _ in range(2):  # the second time they are stored
        for first in (NOP, STEPPED):
            cost = found.of_counting("uprobe", Filters(), first)
            assert cost.estimate == prices[first.workload]


def test_statistics_of_somebody_else_keep_a_cost_from_being_stored(priced, monkeypatch, tmp_path):
    found, _ = priced({"getpid": 149.0})
    monkeypatch.setattr(cost_cache.statistics, "are_on", lambda: True)
    assert "run statistics were on, so not stored" in found.of("tp_btf", "simple").origin
    assert not (tmp_path / "store.json").exists()
    monkeypatch.setattr(cost_cache.statistics, "are_on", lambda: False)
    assert found.of("tp_btf", "simple").origin == "measured now"
    assert (tmp_path / "store.json").exists()


@pytest.mark.parametrize(
    ("attach", "slows"),
    [("tracepoint", True), ("tracepoint_exit", True), ("raw_tracepoint", False), ("kprobe", False)],
)
def test_tracepoint_of_one_system_call_slows_the_others(attach, slows):
    assert costs.slows_other_calls(attach) is slows


def test_attach_types_compare_by_the_moment_that_they_see():
    assert costs.comparable("fexit", "uretprobe_multi")
    assert costs.comparable("tp_btf_exit", "kretprobe")
    assert not costs.comparable("fentry", "fexit")
    assert not costs.comparable("kprobe_session", "kretprobe")


@pytest.mark.parametrize("changed", [(), (ExistingHook("bpf", "program 7 theirs"),)])
def test_cost_beside_hooks_that_came_or_went_is_not_kept(monkeypatch, changed):
    kept, said = {}, []
    store = SimpleNamespace(find=lambda key: None, get=lambda key: None, put=kept.update)
    measured = SimpleNamespace(overhead=Interval(50.0, 49.0, 51.0, 0.99))
    result = SimpleNamespace(measurement=measured, changed=changed)
    monkeypatch.setattr(costs, "measure_cases", lambda *what: [result])
    monkeypatch.setattr(costs, "_measure_bystander", lambda case: result)
    wanted = costs.Costs(store, say=said.append)
    assert wanted.of("tracepoint", "empty").overhead == measured.overhead
    assert wanted.of_bystanders("tracepoint", "empty") == measured.overhead
    assert len(kept) == (0 if changed else 2)
    assert [line for line in said if "program 7 theirs" in line] == said[1::2] * bool(changed)
    assert len(said) == (4 if changed else 2)


@pytest.mark.parametrize(
    ("helpers", "wakes"), [({130}, True), ({25, 1}, True), ({1, 14}, False), (set(), False)]
)
def test_program_that_writes_records_wakes_a_reader(monkeypatch, helpers, wakes):
    monkeypatch.setattr(costs, "made", lambda program: SimpleNamespace(helpers=helpers))
    assert costs.wakes_reader("ringbuf_output") is wakes


def test_program_that_cannot_be_made_wakes_nobody(monkeypatch):
    def refuse(program):
        raise RefusedError("EPERM", "be root")

    monkeypatch.setattr(costs, "made", refuse)
    assert not costs.wakes_reader("ringbuf_output")
