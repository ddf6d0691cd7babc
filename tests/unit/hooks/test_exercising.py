"""Which workload runs a program: the kernel's counts decide."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import exercising
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.exercising import exercised, settled
from ebpf_overhead.hooks.object_cases import with_groups
from ebpf_overhead.hooks.run_counter import Runs
from ebpf_overhead.programs.object_settings import object_settings
from ebpf_overhead.workload.workloads import WORKLOADS

PAIR = str(Path(__file__).parents[2] / "data/objects/pair.bpf.o")
READ, SENDTO = WORKLOADS["read"], WORKLOADS["sendto"]


class Kernel:
    """Counts runs of programs: per call of each workload, and others' now and then."""

    def __init__(self) -> None:
        self.per_call: dict[str, dict[str, int]] = {}
        self.refused: set[str] = set()
        self.unknown: set[str] = set()  # attach types
        self.counts: dict[str, int] = {}
        self.others = iter(())

    def load(self, case):
        if case.program.function in self.refused or case.attach.name in self.unknown:
            raise UnsupportedError(f"{case.program.function} refused")
        return Probe(self, case)

    def run(self, workload: str, calls: int) -> None:
        for function in self.counts:
            runs = self.per_call.get(workload, {}).get(function, 0)
            self.counts[function] += calls * runs + next(self.others, 0)


class Probe:
    def __init__(self, kernel, case) -> None:
        self.case, self.hook, self.kernel = case, "point", kernel
        self.program = SimpleNamespace(info=self._info)

    def _info(self):
        return SimpleNamespace(run_count=self.kernel.counts[self.case.program.function])

    def attach(self) -> None:
        self.kernel.counts.setdefault(self.case.program.function, 0)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass


@pytest.fixture
def kernel(monkeypatch):
    @contextmanager
    def counted(probe):
        yield lambda: Runs(probe.program.info().run_count, 0)

    kernel = Kernel()
    monkeypatch.setattr(exercising, "load", kernel.load)
    monkeypatch.setattr(exercising, "counted", counted)
    monkeypatch.setattr(exercising._workload, "run", kernel.run)
    monkeypatch.setattr(exercising.workloads, "require", lambda workload: None)
    return kernel


ENTER, LEAVE = (replace(case, open_to=(READ, SENDTO)) for case in select((), [PAIR]))


def test_a_case_that_has_its_workload_stays(kernel):
    case = replace(ENTER, open_to=())
    assert settled(case) is case


def test_the_first_workload_that_runs_it(kernel):
    kernel.per_call = {"sendto": {"enter": 3}}
    found = exercised(replace(ENTER, program=replace(ENTER.program, section="raw_tp/x")))
    assert (found.workload, found.runs, found.open_to) == (SENDTO, 3, ())
    assert found.runs_per_call == 3


def test_others_that_run_it_now_and_then_do_not_count(kernel):
    kernel.per_call = {"read": {"enter": 2}}
    kernel.others = iter([70, 130, 5, 99, 2])
    section = replace(ENTER.program, section="raw_tp/x")
    assert exercised(replace(ENTER, program=section)).runs == 2


def test_none_runs_it(kernel):
    with pytest.raises(UnsupportedError, match=r"no workload runs raw_tracepoint:point \(read, se"):
        exercised(ENTER)
    assert settled(ENTER) is ENTER


def test_runs_are_known_where_the_workload_names_the_point(kernel):
    """Then the runs for others can be separated, which is a better proof."""
    kernel.per_call = {"read": {"enter": 1}}
    assert exercised(ENTER).runs is None


def test_a_hook_of_all_calls_is_known_of_any_workload_that_makes_some(kernel):
    """Others' calls in every try would be counted as its own."""
    packets = WORKLOADS["packet_veth"]
    kernel.per_call = {packets.name: {"enter": 2}}
    kernel.others = iter([400] * 5)
    section = replace(ENTER.program, section="raw_tp/sys_enter")
    found = exercised(replace(ENTER, program=section, open_to=(packets,)))
    assert (found.runs, found.runs_per_call) == (None, 2)


GROUP = with_groups([ENTER, LEAVE])[0]


def test_a_group_is_of_all_programs_of_the_object():
    assert GROUP.program.name == "pair.bpf.o"
    assert GROUP.program.function == "leave"
    assert GROUP.co_attached.cases == (ENTER,)
    assert GROUP.co_attached.together
    assert GROUP.open_to == (READ, SENDTO)
    assert with_groups([ENTER]) == [ENTER]
    asked = with_groups([ENTER, LEAVE], [SENDTO, READ])
    assert [case.open_to for case in asked[:2]] == [(SENDTO,), (READ,)]
    assert asked[2:] == [ENTER, LEAVE]


def test_the_workload_that_runs_most_of_a_group(kernel):
    kernel.per_call = {"read": {"enter": 1}, "sendto": {"enter": 1, "leave": 1}}
    found = exercised(GROUP)
    assert found.workload == SENDTO
    assert [case.workload for case in found.co_attached.cases] == [SENDTO]
    assert found.program.name == "pair.bpf.o"
    assert found.co_attached.together


def test_a_group_of_which_one_runs_is_none(kernel):
    kernel.per_call = {"sendto": {"enter": 1}}
    words = r"no workload runs two of the programs of pair\.bpf\.o, and sendto runs enter; it is"
    with pytest.raises(UnsupportedError, match=words):
        exercised(GROUP)
    kernel.per_call = {}
    with pytest.raises(
        UnsupportedError, match=r"runs any program of pair\.bpf\.o \(read, sendto\)"
    ):
        exercised(GROUP)


def test_programs_of_a_group_that_cannot_be_loaded_are_left_out(kernel):
    kernel.refused = {"enter"}
    kernel.per_call = {"read": {"leave": 1}}
    with pytest.raises(UnsupportedError, match="no workload runs two"):
        exercised(GROUP)
    kernel.refused = {"enter", "leave"}
    with pytest.raises(UnsupportedError, match="leave refused"):
        exercised(GROUP)


def test_of_two_programs_at_one_place_a_group_has_the_one_by_btf(kernel):
    places = ["enter=kprobe/f", "leave=kprobe/g", "leave=fentry/f"]
    cases = select((), [PAIR], settings=object_settings(places, (), ()))
    group = replace(with_groups(cases)[0], open_to=(READ,))
    kernel.per_call = {"read": {"enter": 1, "leave": 1}}
    found = exercised(group)
    assert _places(found) == ["kprobe/g", "fentry/f"]
    kernel.unknown = {"fentry"}
    assert _places(exercised(group)) == ["kprobe/f", "kprobe/g"]


def _places(group):
    return [each.program.section for each in (*group.co_attached.cases, group)]


def test_many_workloads_are_counted_and_not_named(kernel):
    with pytest.raises(UnsupportedError, match=rf"point \(all {len(WORKLOADS)} were tried\)"):
        exercised(replace(ENTER, open_to=tuple(WORKLOADS.values())))


def test_a_workload_that_does_not_run_it_is_tried_once(kernel, monkeypatch):
    called = []
    monkeypatch.setattr(exercising._workload, "run", lambda *call: called.append(call))
    with pytest.raises(UnsupportedError, match="no workload runs"):
        exercised(ENTER)
    assert called == [("read", 100), ("sendto", 100)]
