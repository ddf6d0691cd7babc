"""Handing records over on a simulated machine: what is measured, checks, and what is shown."""

from __future__ import annotations

import random
from contextlib import nullcontext
from types import SimpleNamespace

import jsonschema
import pytest

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure import paced
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.studies.delivery import run
from ebpf_overhead.studies.delivery.cells import BUFFERS, RATES, READERS, DeliveryCell, choose
from ebpf_overhead.studies.delivery.rows import make_record
from ebpf_overhead.studies.delivery.tables import notes, tables
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload.workloads import GETPID


def cell(buffer="ring", reader="woken", rate=10_000):
    return DeliveryCell(BUFFERS[buffer], READERS[reader], rate)


# What is measured.


def test_sleeping_reader_is_measured_where_somebody_wakes_it():
    there = {(each.buffer.name, each.reader.name) for each in choose()}
    assert ("ring", "woken") in there
    assert ("ring_never", "timed") in there
    assert ("ring_never", "woken") not in there
    assert [reader for buffer, reader in there if buffer == "none"] == ["none"]
    assert len(choose()) == len(there) * len(RATES)


def test_what_hands_nothing_over_is_always_measured():
    chosen = choose(["perf_1"], ["busy"], [100, 100])
    assert [each.name for each in chosen] == ["none/none/100", "perf_1/busy/100"]


@pytest.mark.parametrize(("buffers", "readers"), [(["rign"], []), ([], ["bussy"])])
def test_unknown_name_is_bad_use(buffers, readers):
    with pytest.raises(BadUseError, match="did you mean"):
        choose(buffers, readers)


# A session.


class Machine:
    """A probe that makes a record at every call, and a reader that takes some out.

    Parameters
    ----------
    cost_ns : float
        What a record costs the caller.
    room : int
        How many records fit.
    unread : int
        How many the reader does not get.
    skipped : int
        Calls of a window without a record.
    """

    def __init__(self, cost_ns=500.0, room=10**9, unread=0, skipped=0):
        self.cost_ns, self.room, self.unread, self.skipped = cost_ns, room, unread, skipped
        self.attached = False
        self.made = self.lost = 0
        self.windows = []
        self.compiled = SimpleNamespace(maps=SimpleNamespace(fds={"outcomes": 7}))

    def attach(self):
        self.attached = True

    def detach(self):
        self.attached = False

    def switch(self, attached):
        self.attached = attached

    def run(self, workload, calls, cpu=None):
        self.run_paced(workload, calls, 0, 1, cpu, False)

    def run_paced(self, workload, calls, gap_ns, most_ns, cpu, sleeps):
        self.windows.append((self.attached, calls, gap_ns))
        per_call_ns = 100.0
        if self.attached:
            per_call_ns += self.cost_ns
            made = min(calls - self.skipped, self.room - self.made)
            self.made += made
            self.lost += calls - self.skipped - made
        return calls, int(calls * per_call_ns), calls * max(gap_ns, int(per_call_ns))

    def lookup(self, fd, key):
        return (self.made, self.lost)[key].to_bytes(8, "little")

    @property
    def records(self):
        return self.made - self.unread

    def consume(self):
        """Do nothing: the reader has all that it ever gets."""


@pytest.fixture
def session(monkeypatch):
    def start(which=None, **how):
        machine = Machine(**how)
        monkeypatch.setattr(run, "_workload", machine)
        monkeypatch.setattr(paced, "_workload", machine)
        monkeypatch.setattr(run.maps, "lookup", machine.lookup)
        monkeypatch.setattr(paced, "phase", lambda name: nullcontext())
        found = run._Session(which or cell(reader="none"), machine, machine, 1, 1.0)
        found.begin()
        return machine, found

    return start


def rounds(found, thread=None):
    for _ in range(run._ROUNDS):
        found.round(thread, random.Random(1))
    return found.result()


def test_difference_of_windows_is_what_a_record_costs(session):
    machine, found = session()
    machine.windows.clear()
    result = rounds(found)
    assert result.caller.estimate == 500
    assert result.baseline_ns == 100
    assert sum(attached for attached, _, _ in machine.windows) == run._ROUNDS
    assert {gap_ns for _, _, gap_ns in machine.windows} == {100_000}
    assert result.per_s == pytest.approx(10_000)


def test_records_without_room_are_counted(session):
    machine, found = session(room=run._FILL)
    result = rounds(found)
    assert result.records == 0
    assert result.lost == sum(calls for attached, calls, _ in machine.windows[1:] if attached)


def test_each_window_has_as_many_wakeups(session):
    machine, found = session(cell("perf_64", "none", 1_000))
    machine.windows.clear()
    rounds(found)
    assert all(calls % 64 == 0 for _, calls, _ in machine.windows)


def test_reader_pays_for_what_it_reads(session):
    machine, found = session(cell(reader="busy"))

    class Thread:
        def cpu_ns(self):
            return machine.made * 30

        def waits(self):
            return machine.made // 2

    result = rounds(found, Thread())
    assert result.reader_ns == pytest.approx(30)
    assert result.wakeups == pytest.approx(0.5, abs=0.01)


def test_call_without_a_record_is_a_failure(session):
    _, found = session(skipped=3)
    with pytest.raises(FailedError, match=r"309 records of 312 calls"):
        rounds(found)


def test_record_that_is_not_read_is_a_failure(session):
    _, found = session(unread=1)
    with pytest.raises(FailedError, match=r"records read of \d+ written"):
        rounds(found)


# What is shown.


def case_of(which):
    return Case(GETPID, ATTACH_TYPES["tp_btf"], run._program(which))


def result_of(which, estimate=1234.0, **changes):
    values = {
        "caller": Interval(estimate, estimate - 9, estimate + 9, 0.99),
        "baseline_ns": 100.0,
        "per_s": float(which.rate or 1e7),
        "records": 900,
        "lost": 0,
        "left_out": 0,
        "reader_ns": 2100.0,
        "wakeups": 1.0,
    }
    return run.DeliveryResult(
        which, Outcome(case_of(which), "measured"), run.Delivery(**values | changes)
    )


@pytest.fixture
def record():
    refused = cell("perf_1")
    return make_record(
        [
            result_of(cell("none", "none"), 80.0, reader_ns=None, wakeups=None),
            result_of(cell()),
            result_of(cell(rate=0), lost=100),
            result_of(cell(reader="busy"), per_s=5_000.0),
            run.DeliveryResult(refused, Outcome(case_of(refused), "refused", "EPERM", "be root")),
        ]
    )


def test_record_has_its_schema(record):
    jsonschema.validate(record, schema("delivery"))


def test_tables_have_readers_by_rates(record):
    first, second, third = tables(record)
    assert first.rows == [("none", "+80 ± 9", "")]
    assert second.headings == ("Reader", "10,000/s", "flat out")
    assert second.rows == [
        ("woken", "+1,234 ± 9 / 2,100", "+1,234 ± 9 / 2,100 (10 % lost)"),
        ("busy", "+1,234 ± 9 / a CPU", ""),
    ]
    assert third.rows == [("woken", "refused", "")]


def test_notes_say_what_is_missing(record):
    said = notes(record)
    assert any("lost:" in line for line in said)
    assert "ring/busy: 5,000 calls per second instead of 10,000" in said
    assert "perf_1/woken: refused: EPERM; be root" in said


def test_one_cpu_has_no_other_for_the_reader(monkeypatch):
    monkeypatch.setattr(run.os, "sched_getaffinity", lambda _: {0})
    (found,) = run.measure([cell()], "tp_btf", Sampling(cpu=0))
    assert found.outcome.status == "unsupported"
    assert "another CPU" in found.outcome.reason
