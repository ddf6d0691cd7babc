"""Estimates for a rate that is given, on this kernel and on another one."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.hooks import uprobes
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate import costs, given_rate, run
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.estimate.record import make_record
from ebpf_overhead.tools.estimate.run import Question
from ebpf_overhead.tools.estimate.text import print_estimate
from ebpf_overhead.tools.tracers.filters import Filters

READ = Place("function", "vfs_read")
RELEASE = "6.12.1-amd64"


def question(*places: Place, attach: str | None = "kprobe") -> Question:
    return Question(places or (READ,), attach, "simple", Filters(), None)


@pytest.fixture
def guest(monkeypatch):
    """A guest in which kprobe costs 500 instructions, and everything else is unsupported."""
    asked: list[str] = []

    def measure_in_guest(kernel, arguments, say, programs):
        asked.extend([kernel, *arguments])
        names = [each.removeprefix("--attach=") for each in arguments if "--attach" in each]
        cases = [
            {"attach": name, "program": "simple", "status": "unsupported", "reason": "no such hook"}
            for name in names
        ]
        exact = {"estimate": 500.0, "low": 500.0, "high": 500.0, "confidence": 0.99}
        for case in cases:
            if case["attach"] == "kprobe":
                case |= {"status": "measured", "overhead": exact}
        return {"machine": {"kernel": {"release": RELEASE}}, "cases": cases}

    monkeypatch.setattr(given_rate, "measure_in_guest", measure_in_guest)
    return asked


def test_cost_of_another_kernel_times_the_rate(guest):
    answer = given_rate.estimate_elsewhere(question(), 20_000.0, "6.12", print)
    assert guest[:4] == ["6.12", "-m", "ebpf_overhead.cli", "measure"]
    assert {"--attach=kprobe", "--attach=fentry", "--program=simple", "--workload=getpid"} <= {
        *guest
    }
    assert "--attach=fexit" not in guest, "it sees another moment"
    assert answer.share is not None
    assert answer.share.estimate == pytest.approx(0.01)
    assert answer.kernel == RELEASE
    assert [each.share is None for each in answer.alternatives].count(False) == 1


def test_without_alternatives_only_the_chosen_one_is_measured(guest):
    alone = replace(question(attach="kretprobe"), alternatives=False)
    given_rate.estimate_elsewhere(alone, 20_000.0, "6.12", print)
    assert [each for each in guest if "--attach" in each] == ["--attach=kretprobe"]


def test_function_that_the_compiler_changed_has_no_trampoline(guest):
    changed = Place("function", "finish_task_switch.isra.0")
    given_rate.estimate_elsewhere(question(changed), 1000.0, "6.12", print)
    assert {"--attach=kprobe", "--attach=kprobe_multi"} <= {*guest}
    assert not any("fentry" in each for each in guest)


def test_a_file_with_several_programs_is_refused(guest, tmp_path):
    source = tmp_path / "pair.c"
    source.write_text(
        "int kprobe__vfs_read(void *ctx) { return 0; }"
        " int kretprobe__vfs_read(void *ctx) { return 0; }"
    )
    with pytest.raises(BadUseError, match="names 2 programs, and an estimate is of one") as caught:
        given_rate.estimate_elsewhere(
            replace(question(), program=str(source)), 20_000.0, "6.12", print
        )
    assert "measure --program" in str(caught.value.remedy)
    assert guest == []


def test_a_program_is_attached_as_its_section_says(tmp_path):
    source = tmp_path / "after.c"
    source.write_text("int kretprobe__vfs_read(void *ctx) { return 0; }")
    assert costs.own_attach_type(str(source)) == "kretprobe"
    source.write_text("int program(void *ctx) { return 0; }")
    assert costs.own_attach_type(str(source)) is None
    assert costs.own_attach_type("simple") is None


def test_shares_of_an_emulated_core_are_labelled(guest):
    answer = given_rate.estimate_elsewhere(question(), 20_000.0, "6.12", print)
    stream = io.StringIO()
    print_estimate(answer, "instructions", Console(file=stream, width=120), 10)
    text = stream.getvalue()
    assert "emulated core   1.00 %" in text
    assert "20,000.0 events/s, as given" in text
    assert f"measured in a guest with {RELEASE}" in text
    assert "one core" not in text
    for not_counted in ("busiest", "latency", "counting took", "CPUs"):
        assert not_counted not in text
    record = make_record(answer, "instructions", "5.10")
    assert (record["kernel"], record["emulated_core"]) == (RELEASE, True)


def test_attach_type_that_is_not_for_the_place(guest):
    with pytest.raises(BadUseError, match="uprobe cannot be estimated for vfs_read; choose of f"):
        given_rate.estimate_elsewhere(question(attach="uprobe"), 1.0, "6.12", print)


def test_return_probe_on_go_is_refused_for_every_kernel(guest, monkeypatch):
    monkeypatch.setattr(costs, "user_point", lambda name: AttachPoint(name, 0, "/go"))
    monkeypatch.setattr(run, "user_point", lambda name: AttachPoint(name, 0, "/go"))
    for module in (costs, uprobes):
        monkeypatch.setattr(module, "has_go_code", lambda path: True)
    with pytest.raises(UnsupportedError, match="has Go code"):
        given_rate.estimate_elsewhere(
            question(Place("user", "/go:main.work"), attach="uretprobe"), 1.0, "6.12", print
        )
    assert not guest, "nothing is booted for it"


class KnownCosts:
    """Every probe costs 200 ns."""

    def of(self, attach, program, first=None):
        return EventCost(attach, program, Interval(200.0, 190.0, 220.0, 0.99), "stored")


def test_rate_on_this_kernel():
    answer = given_rate.estimate_given(
        question(Place("syscall", "read"), attach="tracepoint"), 10_000.0, KnownCosts(), print
    )
    assert answer.share is not None
    assert answer.share.estimate == pytest.approx(0.002)
    assert any("without them" in note for note in answer.notes), "what other calls pay is not in it"
    assert "emulated_core" not in make_record(answer, "ns", "6.1")


def test_one_rate_is_for_one_place():
    with pytest.raises(BadUseError, match="a rate was given for 2 attach points"):
        given_rate.estimate_given(question(READ, Place("function", "b")), 1.0, KnownCosts(), print)
