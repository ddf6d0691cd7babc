"""The self-check's judgement, on samples of which it is known what they are, with seeds."""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import replace

import jsonschema
import pytest
from click.testing import CliRunner
from rich.console import Console
from scipy.stats import binom

from ebpf_overhead.bpf.syscall import ProgInfo
from ebpf_overhead.cli import main
from ebpf_overhead.errors import ExitStatus, FailedError, OverheadError, UnsupportedError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.measure.stats import CONFIDENCE, Interval
from ebpf_overhead.programs.insn import Insn
from ebpf_overhead.studies import registry
from ebpf_overhead.studies.selfcheck import additional, agreement, injected, rows, run
from ebpf_overhead.studies.selfcheck.comparing import Comparing, difference_of
from ebpf_overhead.studies.selfcheck.judging import (
    CHANCE,
    Check,
    detectable,
    most,
    never_less,
    no_difference,
    the_same,
)
from ebpf_overhead.studies.selfcheck.run import CheckedPart, Uncheckable, measure
from ebpf_overhead.workload import clock

HOW = Comparing(cpu=0, seed=1)


def around(estimate: float, half_width: float = 2.0) -> Interval:
    return Interval(estimate, estimate - half_width, estimate + half_width, CONFIDENCE)


@pytest.mark.parametrize("trials", [1, 5, 40, 400, 1000])
@pytest.mark.parametrize("share", [0.005, 0.01])
def test_more_than_allowed_is_less_probable_than_one_in_ten_thousand(trials, share):
    allowed = most(trials, share)
    assert binom.sf(allowed, trials, share) < CHANCE
    assert binom.sf(allowed - 1, trials, share) >= CHANCE


def simulated(seed: int, count: int, shift: float = 0.0, spread: float = 2.0) -> list[Interval]:
    """Intervals of 99 % for a known shift, from normal estimates of a known spread."""
    generator = random.Random(seed)
    return [around(generator.gauss(shift, spread), 2.576 * spread) for _ in range(count)]


def test_right_intervals_pass_and_narrow_ones_fail():
    right = simulated(1, 400)
    assert no_difference("", "", right).passed
    narrow = [
        Interval(e.estimate, e.estimate - e.half_width / 2, e.estimate + e.half_width / 2, 0.99)
        for e in right
    ]
    judged = no_difference("", "", narrow)
    assert judged.passed is False
    assert judged.comparisons == 400
    assert judged.expected == pytest.approx(4)
    assert judged.seen > judged.high


def test_a_bias_fails():
    assert no_difference("", "", simulated(2, 40, shift=6)).passed is False


def test_what_is_detectable_is_detected_nine_times_in_ten():
    spread = 2.0
    null = simulated(3, 2000, spread=spread)
    found = detectable("", "", null, "ns")
    # Half of the interval's width, and one and a quarter standard deviations.
    assert found.seen == pytest.approx((2.576 + 1.2816) * spread, rel=0.05)
    assert found.passed is None
    shifted = simulated(4, 2000, shift=found.seen, spread=spread)
    assert sum(each.excludes_zero for each in shifted) / 2000 == pytest.approx(0.9, abs=0.03)


def test_costs_that_fall_fail():
    assert never_less("", "", [around(3), around(0), around(-1), around(9)]).passed
    assert never_less("", "", [around(-3)] * 4).passed is False


def test_instructions_must_be_the_same_exactly():
    small = [around(0.2, 1.0)] * 5
    assert all(each.passed for each in the_same("", "", small, "ns"))
    assert [each.passed for each in the_same("", "", small, "instructions")] == [True, False]


def test_additional_instructions_are_all_in_the_program():
    for number in (0, 1, 256):
        code = additional.compiled(number).made.functions["program"].code
        assert len(code) == 8 * (4 + number)
        assert code.count(bytes(Insn(0x0F, dst_reg=0, src_reg=2))) == number
    case = additional.case("tp_btf", 7)
    assert case.attach is ATTACH_TYPES["tp_btf"]
    assert case.program.name == "additional_7"


def test_instructions_of_the_machine_are_counted(monkeypatch):
    code = bytes.fromhex("f30f1efa 0f1f440000 6690 55 4889e5 be01000000 31c0 4801f0 c9 c3")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert injected.count(code) == 10
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert injected.count(bytes(40)) == 10
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(UnsupportedError, match="s390x"):
        injected.count(code)


def test_fewest_that_are_detected_have_none_above_that_is_not():
    costs = {1: around(3), 2: around(1), 4: around(3), 8: around(9)}
    assert injected.fewest(costs) == 4
    assert injected.fewest({1: around(1)}) == 0


class Simulated:
    """Calls that take 100 ns, and with a hook more; windows are disturbed now and then."""

    def __init__(self, cost: float, seed: int = 1) -> None:
        self.cost, self.attached, self.random = cost, False, random.Random(seed)

    def switch(self, attached: bool) -> None:
        self.attached = attached

    def run(self, workload, calls, windows=1, cpu=None):
        elapsed = []
        for _ in range(windows):
            disturbed = self.random.expovariate(1 / 30) if self.random.random() < 0.3 else 0.0
            per_call = 100 + self.cost * self.attached + self.random.gauss(0, 0.5) + disturbed
            elapsed.append(round(per_call * calls))
        return elapsed, windows * calls


@pytest.mark.parametrize(("cost", "passes"), [(0.0, True), (8.0, False)])
def test_the_machinery_that_measures_is_what_is_checked(cost, passes):
    simulated = Simulated(cost)
    found = HOW.compare(6, simulated.switch, lambda share: None, simulated.run)
    judged = no_difference("", "", [each.overhead for each in found])
    assert judged.comparisons == 6
    assert judged.passed is passes
    assert [each.overhead.estimate for each in found] == pytest.approx([cost] * 6, abs=2)


@pytest.mark.parametrize(("slower", "passes"), [(0.0, True), (12.0, False)])
def test_halves_that_come_second_must_not_be_slower(monkeypatch, slower, passes):
    simulated, halves = Simulated(0.0), []

    def run(workload, calls, windows=1, cpu=None, preempted=None):
        simulated.cost, simulated.attached = slower * (len(halves) % 2), True
        halves.append(simulated.attached)
        return simulated.run(workload, calls, windows, cpu)

    monkeypatch.setattr("ebpf_overhead.studies.selfcheck.comparing.calibrate", lambda *_: 1000)
    monkeypatch.setattr("ebpf_overhead.measure.sampler._workload.run", run)
    found = HOW.orders(3, simulated.switch, lambda share: None)
    assert len(halves) == 3 * 20 * 2
    assert len(found) == 3 * 2
    assert no_difference("", "", found).passed is passes


def test_a_thorough_check_makes_hundreds_and_a_guest_few(monkeypatch):
    assert HOW.times(40) == 40
    assert replace(HOW, thorough=True).times(40) == 400
    monkeypatch.setenv(clock.VARIABLE, "icount")
    assert HOW.times(40) == 10
    assert HOW.times(10) == 5
    assert difference_of([[1.0, 2.0, 3.0]] * 8, [[1.0, 1.0, 9.0]] * 8).estimate == 1.0


class Program:
    """Runs as often as it is told, and reports a time for each run."""

    name = "simulated"

    def __init__(self, reported_ns: int) -> None:
        self.reported_ns, self.runs, self.attached = reported_ns, 0, False
        self.program = self.compiled = self

    def switch(self, attached: bool) -> None:
        self.attached = attached

    def info(self) -> ProgInfo:
        return ProgInfo(1, self.runs, 0, self.runs * self.reported_ns)


@pytest.mark.parametrize(("longer", "passes"), [(600, True), (500, False)])
def test_statistics_that_report_something_else_than_calls_take_are_found(
    monkeypatch, longer, passes
):
    """A call takes 300 ns more; the statistics report so, or 200."""
    programs = [Program(300), Program(longer)]
    monkeypatch.setattr(additional, "running", lambda attach, cpu, count: _Held(programs[:], count))
    monkeypatch.setattr(agreement.syscall, "counting_runs", nullcontext)

    def run(workload, calls, windows=1, cpu=None):
        for each in programs:
            each.runs += calls * each.attached
        return [calls * (700 + 300 * programs[1].attached)], calls

    monkeypatch.setattr(agreement._workload, "run", run)
    monkeypatch.setattr("ebpf_overhead.studies.selfcheck.comparing.calibrate", lambda *_: 1000)
    judged, shown = agreement.agreement(HOW, "tp_btf", lambda share: None)
    assert judged.passed is passes
    assert (shown.seen, shown.expected) == (300, longer - 300)
    assert not any(each.attached for each in programs[1:])


class _Held:
    def __init__(self, programs: list[Program], additional: int) -> None:
        self.program = programs[additional == 2048]

    def __enter__(self) -> Program:
        return self.program

    def __exit__(self, *error) -> None:
        pass


def test_a_program_that_does_not_run_for_each_call_fails(monkeypatch):
    reports = agreement._Reports(Program(1), Program(2))
    monkeypatch.setattr(agreement._workload, "run", lambda *_, **how: ([1000], 10))
    with pytest.raises(FailedError, match="simulated ran 0 times in 10 calls"):
        reports.run("getpid", 10, 2, cpu=0)


def failing(how, attach, progress):
    yield Check("one", "is zero", "ns", 0.0, 0.0, -1.0, 1.0)
    raise UnsupportedError("no such thing", "get one")


def checks(*seen: float):
    def make(how, attach, progress):
        progress(0.5)
        for each in seen:
            yield Check("two", "is zero", "comparisons", each, 0.2, 0.0, 1.0, 20)
        yield Check("two", "is found", "ns", 12.3456)

    return make


def record(*parts: CheckedPart):
    return rows.make_record(measure(parts, "tp_btf", HOW), "tp_btf", HOW)


def test_a_part_that_cannot_be_checked_does_not_end_the_others():
    found = list(
        measure([CheckedPart("one", failing), CheckedPart("two", checks(0))], "tp_btf", HOW)
    )
    assert [type(each) for each in found] == [Check, Uncheckable, Check, Check]
    assert isinstance(found[1].error, OverheadError)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([CheckedPart("two", checks(0, 1))], ExitStatus.MEASURED),
        ([CheckedPart("two", checks(0, 2))], ExitStatus.CASE_FAILED),
        ([CheckedPart("one", failing), CheckedPart("two", checks(1))], ExitStatus.MEASURED),
    ],
)
def test_the_status_is_that_of_the_worst_check(parts, status):
    made = record(*parts)
    jsonschema.validate(made, registry.schema("selfcheck"))
    assert rows.status(made) == status


def test_where_nothing_can_be_checked_the_status_says_so():
    def unable(how, attach, progress):
        raise UnsupportedError("no BPF")
        yield

    assert rows.status(record(CheckedPart("one", unable))) == ExitStatus.NOTHING_MEASURABLE


def test_the_table_shows_what_was_seen_expected_and_allowed():
    made = record(CheckedPart("one", failing), CheckedPart("two", checks(2)))
    (table,) = registry.tables(made)
    assert [row[1:] for row in table.rows] == [
        ("is zero", "0", "0", "-1 … 1", "ns", "pass"),
        ("is zero", "2", "0.2", "0 … 1", "comparisons of 20", "FAIL"),
        ("is found", "12.346", "", "", "ns", ""),
    ]
    assert registry.notes(made) == [
        "one: unsupported: no such thing; get one",
        "1 failed: what is measured here now is not to be trusted",
    ]
    console = Console(record=True, width=200)
    registry.print_tables(made, console)
    assert "FAIL" in console.export_text()


def test_the_command_ends_with_the_status_and_the_record(monkeypatch):
    monkeypatch.setattr(run, "PARTS", (CheckedPart("two", checks(2)),))
    monkeypatch.setattr("ebpf_overhead.measure.preflight.check", lambda cases=None: None)
    monkeypatch.setenv("EBPF_OVERHEAD_LOCK", "")
    ended = CliRunner().invoke(main, ["selfcheck", "--format", "markdown"])
    assert ended.exit_code == ExitStatus.CASE_FAILED
    assert "| two | is zero | 2 | 0.2 | 0 … 1 | comparisons of 20 | FAIL |" in ended.output
