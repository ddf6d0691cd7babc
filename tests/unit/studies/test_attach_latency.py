"""Load, attach and detach on a simulated machine: rounds, gaps, and what is shown of them."""

from __future__ import annotations

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
from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.studies.attach_latency import figure, run
from ebpf_overhead.studies.attach_latency import tables as report
from ebpf_overhead.studies.attach_latency.rows import make_record
from ebpf_overhead.studies.attach_latency.run import OPERATIONS, Timings
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload import clock

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
    monkeypatch.setattr(run, "_pass_time", lambda elapsed_ns: made.sleep(elapsed_ns / 1e9))
    monkeypatch.setattr(run, "load", lambda case: made)
    monkeypatch.setattr(run, "prove", prove)
    monkeypatch.setattr(run, "open_caller_counter", lambda target, at_exit: None)
    monkeypatch.setattr(run, "watching", watching)
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
    assert "one CPU only" in (run.why_no_gaps() or "")


def test_icount_has_one_cpu_too(machine, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    assert "under icount" in (run.why_no_gaps() or "")


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
