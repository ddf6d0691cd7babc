"""Cases as plain data: nothing of a case is lost on the way to a guest."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.case_data import of_data, to_data
from ebpf_overhead.hooks.cases import Bystander, Case, CoAttached, select
from ebpf_overhead.hooks.sections import is_nowhere, refuse_untyped
from ebpf_overhead.measure.bystander import BYSTANDERS, seen_by_all
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.object_settings import object_settings
from ebpf_overhead.workload.workloads import WORKLOADS

PROGRAM = LoadedProgram(-1, LoadedAs(ProgType.KPROBE))

PLAIN, OTHER = select(["kprobe", "fentry"], ["simple"])
CONDITIONS = {
    "caller": Bystander(WORKLOADS["read"], "other"),
    "co_attached": CoAttached((OTHER, PLAIN), together=True),
    "statistics": True,
    "after_detach": True,
    "points": (AttachPoint("vfs_read"), AttachPoint("/bin/x:f", 64, "/bin/x", 7)),
    "runs": 3,
    "open_to": (WORKLOADS["read"], WORKLOADS["sendto"]),
}
OBJECTS = Path(__file__).parents[2] / "data" / "objects"


@pytest.mark.parametrize("conditions", [{}, CONDITIONS, *({k: v} for k, v in CONDITIONS.items())])
def test_a_case_is_the_same_after_the_way(conditions):
    case = replace(PLAIN, **conditions)
    assert of_data(json.loads(json.dumps(to_data(case)))) == case


def test_every_bystander_is_the_same_after_the_way():
    views = seen_by_all(PLAIN)
    assert [of_data(json.loads(json.dumps(to_data(each)))) for each in views] == views
    assert len(views) == 1 + len(BYSTANDERS)


def test_every_condition_is_tried_here():
    assert {each.name for each in fields(Case)} == {"workload", "attach", "program", *CONDITIONS}


def test_a_program_of_the_users_own_is_named_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "mine.c").write_text("int program(void *c) { return 0; }")
    monkeypatch.chdir(tmp_path)
    (case,) = select(["kprobe"], ["mine.c"])
    data = to_data(case)
    monkeypatch.chdir("/")
    assert of_data(data).program.source == tmp_path / "mine.c"


def test_programs_of_an_object_keep_their_settings_and_their_places(monkeypatch):
    monkeypatch.chdir(OBJECTS)
    settings = object_settings(
        ["enter=kprobe/f", "leave"], ["counts=16:8"], ["text=abc", "CONFIG_HZ=250"]
    )
    cases = select((), ["pair.bpf.o"], (), settings)
    assert [case.program.name for case in cases] == ["pair.bpf.o:enter", "pair.bpf.o:leave"]
    data = json.dumps([*map(to_data, cases)])
    monkeypatch.chdir("/")
    there = [of_data(each) for each in json.loads(data)]
    assert [each.program.source for each in there] == [OBJECTS / "pair.bpf.o"] * 2
    here = [replace(each.program, source=OBJECTS / "pair.bpf.o") for each in cases]
    assert [each.program for each in there] == here
    assert [each.points for each in there] == [each.points for each in cases]


@pytest.mark.parametrize(
    "section", ["uprobe/nolib:f", "kprobe/vfs_*", "perf_event", "struct_ops/init"]
)
def test_what_is_attached_nowhere_is_attached_nowhere_in_a_guest(tmp_path, section):
    """Some have the name of an attach type, and would be attached where the workload is."""
    path = tmp_path / "mine.c"
    path.write_text("int f(void *c) { return 0; }")
    cases = select([], [str(path)], ["function_nop5"], object_settings([f"f={section}"], [], []))
    (case,) = cases
    again = of_data(json.loads(json.dumps(to_data(case))))
    assert is_nowhere(case.attach)
    assert is_nowhere(again.attach)
    with pytest.raises(UnsupportedError) as caught:
        refuse_untyped(again.attach)
    with pytest.raises(UnsupportedError, match="the kernel loads it; ") as loaded:
        again.attach.open(PROGRAM, None, False)
    assert str(loaded.value).endswith(str(caught.value))
