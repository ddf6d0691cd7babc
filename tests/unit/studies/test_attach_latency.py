"""Load, attach and detach on a simulated machine: rounds, gaps, and what is shown of them."""

from __future__ import annotations

import dataclasses
import json
import os
from contextlib import contextmanager
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner

from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.cli import main
from ebpf_overhead.errors import ExitStatus, FailedError, UnsupportedError
from ebpf_overhead.hooks import kprobes, many_points
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.studies.attach_latency import figure, many_hooks, many_run, run, stopwatch
from ebpf_overhead.studies.attach_latency import tables as report
from ebpf_overhead.studies.attach_latency.rows import make_record
from ebpf_overhead.studies.attach_latency.run import OPERATIONS
from ebpf_overhead.studies.attach_latency.stopwatch import Timings, why_no_gaps
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.workloads import GETPID

COSTS_NS = {"load": 400_000, "attach": 1_000, "detach": 70_000_000, "reattach": 9_000_000}
GAPS_NS = {"load": 100, "attach": 5_000, "detach": 100, "reattach": 100}
CONTROL_NS = 100


class Machine:
    """Operations that take what they are said to, on a clock of its own."""

    def __init__(self):
        self.now_ns = 0
        self.attached = False
        self.detached_ns = -(10**12)
        self.done = []
        self.gap_ns = CONTROL_NS
        (self.case,) = run.choose(["tp_btf"])
        self.hook = "sys_enter"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.attached = False

    def operate(self, name):
        self.done.append(name)
        self.now_ns += COSTS_NS[name]
        self.gap_ns = GAPS_NS[name]

    def load_again(self):
        self.operate("load")
        return LoadedProgram(os.open("/dev/null", os.O_RDONLY), LoadedAs(ProgType.TRACING))

    def attach(self):
        if not self.attached:
            soon = self.now_ns - self.detached_ns < 1_000_000
            self.operate("reattach" if soon else "attach")
        self.attached = True

    def detach(self):
        if self.attached:
            self.operate("detach")
            self.detached_ns = self.now_ns
        self.attached = False

    def sleep(self, seconds):
        self.now_ns += int(seconds * 1e9)

    def close_span(self):
        gap_ns, self.gap_ns = self.gap_ns, CONTROL_NS
        return gap_ns


@pytest.fixture
def machine(monkeypatch):
    made = Machine()

    @contextmanager
    def watching(target, cpu):
        yield made

    def prove(probe, call, caller_counter):
        probe.attach()
        return Hits(1000, 1000, 0)

    time = SimpleNamespace(
        sleep=made.sleep,
        perf_counter_ns=lambda: made.now_ns,
        thread_time_ns=lambda: made.now_ns // 2,
        perf_counter=lambda: made.now_ns / 1e9,
    )
    monkeypatch.setattr(run, "time", time)
    monkeypatch.setattr(stopwatch, "time", time)
    monkeypatch.setattr(stopwatch, "_pass_time", lambda elapsed_ns: made.sleep(elapsed_ns / 1e9))
    monkeypatch.setattr(run, "load", lambda case: made)
    monkeypatch.setattr(run, "prove", prove)
    monkeypatch.setattr(run, "open_caller_counter", lambda target, at_exit: None)
    monkeypatch.setattr(stopwatch, "watching", watching)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    return made


def measured(machine, rounds=10):
    (result,) = run.measure([machine.case], rounds)
    return result


def test_each_operation_is_timed_once_a_round_from_a_settled_state(machine):
    result = measured(machine)
    assert (result.status, result.hook, result.hits) == (
        "measured",
        "sys_enter",
        Hits(2000, 2000, 0),
    )
    for name in OPERATIONS:
        assert result.timings[name].elapsed_ns == [COSTS_NS[name]] * 10, name
        assert result.timings[name].cpu == [COSTS_NS[name] // 2] * 10
    assert machine.done[2:7] == ["load", "attach", "detach", "reattach", "detach"]
    assert not machine.attached


def test_gaps_are_of_the_operation_alone_and_so_is_the_control(machine):
    result = measured(machine)
    for name in OPERATIONS:
        assert result.timings[name].gaps_ns == [GAPS_NS[name]] * 10, name
        assert result.timings[name].control_ns == [CONTROL_NS] * 10


def test_on_one_cpu_nobody_calls_and_the_reason_is_told(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    result = measured(machine)
    assert result.timings["attach"].elapsed_ns == [COSTS_NS["attach"]] * 10
    assert result.timings["attach"].gaps_ns == []
    assert "one CPU only" in (why_no_gaps() or "")


def test_icount_has_one_cpu_too(machine, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    assert "under icount" in (why_no_gaps() or "")


@pytest.mark.parametrize(
    ("error", "status"), [(UnsupportedError("no"), "unsupported"), (FailedError("no"), "failed")]
)
def test_what_cannot_be_attached_is_a_row_with_the_reason(machine, monkeypatch, error, status):
    def refuse(case):
        raise error

    monkeypatch.setattr(run, "load", refuse)
    result = measured(machine)
    assert (result.status, result.reason, result.timings) == (status, "no", {})


def test_every_attach_type_has_one_case():
    assert sorted(case.attach.name for case in run.choose()) == sorted(ATTACH_TYPES)


# What is shown of it.


@pytest.fixture
def results(machine):
    first = measured(machine)
    return [first, run.Latencies(first.case, "unsupported", "no kprobes", "another kernel")]


def record_of(results, no_gaps=None):
    made = make_record(results, 10)
    made |= {"machine": {"kernel": {"release": "6.1"}}, "no_gaps": no_gaps}
    return json.loads(json.dumps(made))


@pytest.fixture
def record(results):
    return record_of(results)


def test_record_keeps_to_its_schema(record):
    jsonschema.validate(record, schema("attach-latency"))
    gap = record["cases"][0]["operations"]["attach"]["gap_ns"]
    assert (gap["longest"], gap["control_longest"]) == (5000, 100)
    assert gap["more_than_control"]["estimate"] == 4900


def test_rows_for_people_are_in_microseconds(record):
    assert len(report.headings(record)) == 7
    assert report.rows(record) == [
        ("tp_btf", "load", "400", "400 … 400", "200", "0.1", "0.1"),
        ("", "attach", "1", "1 … 1", "0.5", "5", "0.1"),
        ("", "detach", "70,000", "70,000 … 70,000", "35,000", "0.1", "0.1"),
        ("", "reattach", "9,000", "9,000 … 9,000", "4,500", "0.1", "0.1"),
    ]
    assert report.not_measured(record) == ["tp_btf: unsupported: no kprobes; another kernel"]


def test_tables_in_markdown(record):
    lines = figure.markdown([record]).splitlines()
    assert "**native, 6.1**, elapsed, µs" in lines
    assert any(line.startswith("| tp_btf | 400 (400 … 400) | 1 (1 … 1) | 70,000") for line in lines)
    gaps = "| tp_btf | none seen | 4.9 (4.9 … 4.9) | none seen | none seen | 5 | 0.1 |"
    assert gaps in lines


def test_in_a_guest_it_is_instructions_and_nothing_else(results, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    for timings in results[0].timings.values():
        timings.gaps_ns, timings.control_ns = [], []
    record = record_of(results, "one CPU")
    jsonschema.validate(record, schema("attach-latency"))
    assert report.headings(record)[2] == "Instructions"
    assert report.rows(record)[1] == ("", "attach", "500", "500 … 500")
    assert "- tp_btf: unsupported: no kprobes; another kernel" in figure.markdown([record])


def test_figure_has_durations_and_gaps(record):
    pytest.importorskip("matplotlib")
    durations, gaps = figure.draw([record]).axes
    assert [list(each.lines[0].get_xdata()) for each in durations.containers] == [
        [400],
        [1],
        [70_000],
        [9_000],
    ]
    assert [list(line.get_xdata()) for line in gaps.lines] == [[5], [0.1]]


def test_too_few_rounds_for_an_interval_are_bad_use():
    ran = CliRunner().invoke(main, ["study", "attach-latency", "--rounds=7"])
    assert ran.exit_code == ExitStatus.BAD_USE


def test_timings_begin_empty():
    assert Timings().elapsed_ns is not Timings().elapsed_ns


# Many points at once.


class FakeHooks:
    """Hooks at many points, on the machine's clock."""

    def __init__(self, machine, count):
        self.machine, self.count, self.checked = machine, count, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def load_again(self):
        return [self.machine.load_again()]

    def attach(self):
        for _ in range(self.count):
            self.machine.operate("attach")

    def detach(self):
        for _ in range(self.count):
            self.machine.operate("detach")

    def check(self):
        self.checked += 1


@pytest.fixture
def many(machine, monkeypatch):
    made = []

    def hooks(probe, points, one_link):
        made.append(FakeHooks(machine, 1 if one_link else len(points)))
        return made[-1]

    time = SimpleNamespace(sleep=machine.sleep, monotonic=lambda: machine.now_ns / 1e9)
    monkeypatch.setattr(many_run, "time", time)
    monkeypatch.setattr(many_run, "load", lambda case: machine)
    monkeypatch.setattr(many_run, "points", lambda probe, count: list(range(count)))
    monkeypatch.setattr(many_run, "ManyHooks", hooks)
    monkeypatch.setattr(
        many_run, "prove_with_counter", lambda probe, call: (probe.attach(), Hits(9, 9, 0))[1]
    )
    return made


def many_results(attach, counts, time_s=1.0):
    return list(many_run.measure(many_run.choose(run.choose([attach]), counts), 10, time_s))


def test_many_points_are_attached_one_by_one_and_by_one_link_where_there_is_such(many):
    found = many_results("uprobe_multi", (1, 100))
    assert [(each.count, each.one_link) for each in found] == [
        (1, False),
        (100, False),
        (1, True),
        (100, True),
    ]
    assert [each.timings["attach"].elapsed_ns[0] for each in found] == [1000, 100_000, 1000, 1000]
    assert {each.one_link for each in many_results("tracepoint", (1,))} == {False}


def test_time_ends_the_rounds_of_many_points_after_two(many):
    few, many_points = many_results("tracepoint", (1, 100))
    # A round takes 0.07 s and 7 s, as often for the control.
    assert len(few.timings["detach"].elapsed_ns) == 5
    assert len(many_points.timings["detach"].elapsed_ns) == 2
    assert [each.checked for each in many] == [5, 2]


def test_record_and_tables_of_many_points(many):
    failed = run.Latencies(run.choose(["uprobe_multi"])[0], "unsupported", "few", None)
    failed = dataclasses.replace(failed, count=2000, one_link=True)
    record = record_of([*many_results("uprobe_multi", (1, 100)), failed])
    jsonschema.validate(record, schema("attach-latency"))
    elapsed = record["cases"][1]["operations"]["detach"]["elapsed_ns"]
    assert (elapsed["estimate"], elapsed["confidence"]) == (7e9, 0.5)
    times, gaps = report.tables(record)
    assert times.rows[1][:5] == ("uprobe_multi", "100", "0.4", "0.1", "7,000")
    assert times.rows[3][:2] == ("uprobe_multi, one link", "100")
    assert gaps.rows[1] == ("uprobe_multi", "100", "0.005", "0.0001", "0.0001", "0.0001")
    assert report.not_measured(record) == ["uprobe_multi, one link, 2,000 points: unsupported: few"]
    assert "| uprobe_multi, one link | 100 |" in figure.markdown([record])


def test_many_points_in_a_guest_are_counted_for_all_threads(many, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    ran = iter(range(0, 10**9, 7_000_000))
    monkeypatch.setattr(stopwatch, "_run_by_others", lambda: next(ran))
    record = record_of(many_results("tracepoint", (100,)), "one CPU")
    (table,) = report.tables(record)
    assert table.rows == [("tracepoint", "100", "0.2", "0.05", "3,500", "7.05", "3,507")]


def test_counts_are_numbers_with_commas_and_time_is_for_them(many):
    for words in (["--count=1,,2"], ["--count=0"], ["--count=a"], ["--time=3s"]):
        ran = CliRunner().invoke(main, ["study", "attach-latency", *words])
        assert ran.exit_code == ExitStatus.BAD_USE, words


def test_points_are_the_workloads_and_others_of_its_kind(machine, monkeypatch):
    site = SimpleNamespace(attach_type=ATTACH_TYPES["kprobe"], point=AttachPoint("__do_sys_getpid"))
    probe = SimpleNamespace(site=site, case=machine.case)
    names = {"__x64_sys_open", "__x64_sys_getpid", "vfs_read", "__do_sys_close", "__se_sys_read"}
    monkeypatch.setattr(many_points, "traceable_functions", lambda: names)
    monkeypatch.setattr(kprobes.perf_event, "kprobe_pmu", lambda: 6)
    found = many_hooks.points(probe, 3)
    assert [each.name for each in found] == ["__do_sys_getpid", "__do_sys_close", "__se_sys_read"]
    with pytest.raises(UnsupportedError, match="4 such points are known here, not 1,000"):
        many_hooks.points(probe, 1000)


def test_points_that_others_pass_all_the_time_are_left_out(monkeypatch):
    events = "syscalls:sys_enter_getpid syscalls:sys_exit_read sched:sched_switch xfs:a nmi:b"
    monkeypatch.setattr(many_points.pseudofs, "read_text", lambda kind, path: events)
    assert [each.name for each in many_points.events(GETPID)] == ["syscalls:sys_exit_read", "xfs:a"]
    assert [each.name for each in many_points.tracepoints(GETPID)] == ["a"]
    assert len(list(many_points.places(GETPID))) == 1024
    assert list(many_points.none(GETPID)) == []
