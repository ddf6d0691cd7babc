"""Many CPUs at once on a simulated machine: counts, rounds, estimates, losses."""

from __future__ import annotations

import json
import os

import jsonschema
import pytest
from click.testing import CliRunner
from unwatched import Unwatched

from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError, ExitStatus, FailedError, UnsupportedError
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.studies.scaling import figure
from ebpf_overhead.studies.scaling import run as scaling
from ebpf_overhead.studies.scaling.rows import make_record
from ebpf_overhead.studies.scaling.tables import HEADINGS, rows
from ebpf_overhead.workload import clock

MACHINE = {"kernel": {"release": "6.1.0"}}


class Machine:
    """CPUs that need 100 ns per call, 50 more with the probe, and 30 more for each other CPU."""

    def __init__(self, lost_each_round=0):
        self.attached = False
        self.lost = 0
        self.lost_each_round = lost_each_round
        self.ran = []
        self.site = None
        self.compiled = Unwatched()
        self.compiled.clear = self.compiled.event_buffers = lambda: None
        self.compiled.lost_updates = lambda: self.lost
        (self.case,) = scaling.select("tp_btf", ["simple"])
        self.hook = "sys_enter"

    def attach(self):
        self.attached = True
        self.lost += self.lost_each_round

    def detach(self):
        self.attached = False

    def switch(self, attached):
        self.detach()
        if attached:
            self.attach()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.detach()

    def run_together(self, target, calls, windows, cpus, keep_busy=True):
        self.ran.append((self.attached, tuple(cpus)))
        per_call = 100 + self.attached * (50 + 30 * (len(cpus) - 1))
        return [[per_call * calls] * windows for _ in cpus], [], calls * windows * len(cpus)


@pytest.fixture
def machine(monkeypatch):
    def install(cpus=4, **options):
        made = Machine(**options)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)))
        monkeypatch.setattr(scaling, "_workload", made)
        monkeypatch.setattr(scaling, "load", lambda case: made)
        monkeypatch.setattr(
            scaling, "open_caller_counter", lambda target, at_exit, whole_process: None
        )
        monkeypatch.setattr(scaling, "calibrate", lambda target, cpu: 1000)
        monkeypatch.setattr(
            scaling,
            "count_hits",
            lambda probe, calls, call, caller_counter: Hits(calls, calls, 0),
        )
        return made

    return install


def measured(machine, counts):
    (result,) = scaling.measure([machine.case], counts, Sampling(time_s=0.05, seed=1))
    return result


def test_overhead_throughput_and_efficiency_of_each_number_of_cpus(machine):
    result = measured(machine(), [1, 2, 4])
    assert (result.status, result.hook, result.lost_updates) == ("measured", "sys_enter", 0)
    assert [point.cpus for point in result.points] == [(3,), (2, 3), (0, 1, 2, 3)]
    for point, count, overhead in zip(result.points, (1, 2, 4), (50, 80, 140), strict=True):
        assert point.baseline.median == pytest.approx(100)
        assert point.probed.median == pytest.approx(100 + overhead)
        assert point.overhead.estimate == pytest.approx(overhead)
        assert point.baseline_throughput.estimate == pytest.approx(count * 1e7)
        assert point.throughput.estimate == pytest.approx(count * 1e9 / (100 + overhead))
        assert point.baseline_efficiency.estimate == pytest.approx(1)
        assert point.efficiency.estimate == pytest.approx(150 / (100 + overhead))


def test_hits_are_counted_on_all_cpus_before_and_after(machine):
    result = measured(machine(), [1, 4])
    assert result.hits == Hits(8000, 8000, 0)


def test_the_probe_is_off_in_the_end_and_every_round_has_every_half(machine):
    made = machine()
    result = measured(made, [1, 2])
    assert not made.attached
    assert result.rounds >= 10
    for half in ((False, (3,)), (True, (3,)), (False, (2, 3)), (True, (2, 3))):
        assert made.ran.count(half) == result.rounds


@pytest.fixture
def together(machine, monkeypatch):
    """Measure two programs on one machine; the probes, the results, and what progress was told."""

    def measure(**events):
        first, second = machine(cpus=2), machine(cpus=2)
        second.ran = first.ran
        probes = dict(
            zip(scaling.select("tp_btf", ["simple", "array"]), (first, second), strict=True)
        )
        for case, probe in probes.items():
            probe.case = case
        for name, event in events.items():
            setattr(first, name, event(first))
        monkeypatch.setattr(scaling, "load", probes.get)
        told = []
        results = list(
            scaling.measure(
                list(probes),
                [1, 2],
                Sampling(time_s=0.05, seed=1),
                lambda case, share: told.append(list(probes).index(case) + share),
            )
        )
        return (first, second), results, told

    return measure


def test_programs_take_turns_and_only_one_is_attached(together, monkeypatch):
    attached = []
    attach = Machine.attach

    def note(self):
        attached.append(self.case.program.name)
        attach(self)

    monkeypatch.setattr(Machine, "attach", note)
    probes, results, told = together()
    assert [result.status for result in results] == ["measured", "measured"]
    rounds = attached[2:-2]  # each is proven before and after
    least = 2 * min(result.rounds for result in results)
    assert {frozenset(rounds[at : at + 2]) for at in range(0, least - 2, 2)} == {
        frozenset({"simple", "array"})
    }
    assert not any(probe.attached for probe in probes)
    assert told == sorted(told)
    assert 1 < told[-1] <= 2


def test_program_that_fails_in_a_round_leaves_the_others_alone(together):
    def fails_at_the_third(probe):
        switch, times = probe.switch, []

        def fail(attached):
            switch(attached)
            times.append(attached)
            if times.count(True) == 3:
                raise FailedError("cannot be loaded again")

        return fail

    probes, (first, second), _ = together(switch=fails_at_the_third)
    assert (first.status, first.reason) == ("failed", "cannot be loaded again")
    assert second.status == "measured"
    assert second.rounds >= 10
    assert not any(probe.attached for probe in probes)


def test_rounds_that_lost_updates_do_not_count(machine):
    result = measured(machine(lost_each_round=5), [1, 2])
    assert result.status == "failed"
    assert "updates, in all but 0 rounds" in (result.reason or "")


def test_program_that_does_not_fire_is_a_failed_row(machine, monkeypatch):
    made = machine()
    monkeypatch.setattr(
        scaling, "count_hits", lambda probe, calls, call, caller_counter: Hits(calls, 0, 0)
    )
    result = measured(made, [1, 2])
    assert result.status == "failed"
    assert "never fired" in (result.reason or "")
    assert not made.attached


@pytest.mark.parametrize(
    ("cpus", "wanted", "counts"),
    [
        (2, [], [1, 2]),
        (6, [], [1, 2, 4, 6]),
        (8, [], [1, 2, 4, 8]),
        (1, [], [1]),
        (8, [3], [1, 3]),
        (8, [8, 1, 8], [1, 8]),
    ],
)
def test_numbers_of_cpus(machine, cpus, wanted, counts):
    machine(cpus=cpus)
    assert scaling.choose_counts(wanted) == counts


def test_more_cpus_than_there_are(machine):
    machine(cpus=2)
    with pytest.raises(BadUseError, match="3 CPUs asked for, 2 available"):
        scaling.choose_counts([3])


def test_one_cpu_has_nobody_to_contend_with(machine):
    machine(cpus=1)
    with pytest.raises(UnsupportedError, match="one CPU only"):
        scaling.require()


def test_icount_is_refused_in_one_line_that_says_why(machine, monkeypatch):
    machine(cpus=4)
    monkeypatch.setenv(clock.VARIABLE, "icount")
    run = CliRunner().invoke(main, ["study", "scaling"])
    assert run.exit_code == ExitStatus.NOTHING_MEASURABLE
    (line,) = run.output.splitlines()
    assert "contention cannot be seen under icount: one CPU" in line


def test_unknown_program_says_what_there_is():
    with pytest.raises(BadUseError, match="no program is called 'none'; choose empty, array"):
        scaling.select("tp_btf", ["none"])


# What is shown of it.


@pytest.fixture
def record(machine):
    results = [measured(machine(cpus=2), [1, 2])]
    results.append(scaling.Scaling(results[0].case, "failed", "did not fire", None))
    return json.loads(json.dumps(make_record(results) | {"machine": MACHINE}))


def test_record_keeps_to_its_schema(record):
    jsonschema.validate(record, schema("scaling"))
    record["cases"][0]["points"][0].pop("overhead")
    with pytest.raises(jsonschema.ValidationError, match="'overhead' is a required property"):
        jsonschema.validate(record, schema("scaling"))


def test_rounds_are_made_up_for_while_there_is_patience(machine):
    """Every other round loses something: there are ten good ones all the same."""
    made = machine()
    attach = made.attach

    def attach_and_lose_now_and_then():
        made.lost_each_round = (made.ran.count((True, (3,))) // 2) % 2
        attach()

    made.attach = attach_and_lose_now_and_then
    result = measured(made, [1, 2])
    assert result.status == "measured", result.reason
    assert result.rounds >= 10
    assert result.discarded_rounds > 0


def test_rows_begin_with_the_unprobed_call(record):
    shown = rows(record)
    assert all(len(row) == len(HEADINGS) for row in shown)
    assert shown == [
        ("no probe", "1", "100.0", "", "10.00", ""),
        ("no probe", "2", "100.0", "", "20.00", "100% ± 0%"),
        ("simple", "1", "150.0", "+50 ± 0", "6.67", ""),
        ("simple", "2", "180.0", "+80 ± 0", "11.11", "83% ± 0%"),
        ("simple", "", "n/a", "failed", "", ""),
    ]


def test_figure_has_a_curve_a_program_that_was_measured(record):
    pytest.importorskip("matplotlib")
    drawn = figure.draw([record])
    overhead, efficiency = drawn.axes
    (curve,) = overhead.containers
    assert list(curve.lines[0].get_ydata()) == pytest.approx([50, 80])
    (curve,) = efficiency.containers
    assert list(curve.lines[0].get_ydata()) == pytest.approx([100, 100 * 150 / 180])


def test_table_in_markdown(record):
    lines = figure.markdown([record]).splitlines()
    assert lines[0] == "**native, 6.1.0**, tp_btf"
    assert "| simple | 2 | 180.0 | +80 ± 0 | 11.11 | 83% ± 0% |" in lines
