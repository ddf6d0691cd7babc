"""The catalogue: what is in it, and choosing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.case_data import of_data, to_data
from ebpf_overhead.hooks.cases import (
    ATTACH_TYPES,
    GROUPS,
    PROGRAMS,
    STANDARD_ATTACH_TYPES,
    STANDARD_PROGRAMS,
    reference_grid,
    select,
)
from ebpf_overhead.programs.catalogue import PROGRAM_GROUPS, programs_named
from ebpf_overhead.programs.compiled import source_path
from ebpf_overhead.programs.object_settings import ObjectSettings, object_settings
from ebpf_overhead.workload.workloads import WORKLOADS


def test_catalogue_is_keyed_by_name():
    for catalogue in (ATTACH_TYPES, PROGRAMS, WORKLOADS):
        assert all(entry.name == name for name, entry in catalogue.items())


def test_the_reference_grid():
    assert {(case.attach.name, case.program.name) for case in reference_grid()} == {
        (attach, program)
        for attach in ("tp_btf", "fentry", "kprobe")
        for program in ("empty", "simple", "complex")
    }
    assert {case.workload.name for case in reference_grid()} == {"getpid"}


def test_the_standard_grid_is_the_default_and_the_order_is_the_catalogues():
    chosen = [(case.program.name, case.attach.name) for case in select()]
    assert chosen == [
        (program, attach) for program in STANDARD_PROGRAMS for attach in STANDARD_ATTACH_TYPES
    ]


def test_choice_is_by_name_in_catalogue_order_and_without_repeats():
    chosen = select(["kprobe", "tracepoint", "kprobe"], ["complex", "empty"])
    assert [case.name for case in chosen] == [
        "getpid/tracepoint/empty",
        "getpid/kprobe/empty",
        "getpid/tracepoint/complex",
        "getpid/kprobe/complex",
    ]


def test_targets_are_measured_when_they_are_asked_for():
    assert {case.workload.name for case in select()} == {"getpid"}
    chosen = select(["tp_btf", "kprobe"], ["empty"], ["sendto", "read"])
    assert [case.name for case in chosen] == [
        "read/tp_btf/empty",
        "read/kprobe/empty",
        "sendto/tp_btf/empty",
        "sendto/kprobe/empty",
    ]


def test_a_hook_of_all_system_calls_runs_for_both_that_a_call_makes():
    runs = {case.name: case.runs_per_call for case in select((), ["empty"], ["openat_close"])}
    assert runs == {
        "openat_close/tracepoint/empty": 1,
        "openat_close/raw_tracepoint/empty": 2,
        "openat_close/tp_btf/empty": 2,
        "openat_close/fentry/empty": 1,
        "openat_close/kprobe/empty": 1,
    }
    assert {case.runs_per_call for case in select((), (), ["getpid", "read", "sendto"])} == {1}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((["tp_btff"], []), "no attach type is called 'tp_btff'; did you mean tp_btf"),
        (([], ["simpel"]), "no program is called 'simpel'; did you mean simple?"),
        (([], [], ["sento"]), "no workload is called 'sento'; did you mean sendto?"),
    ],
)
def test_unknown_name_says_what_is_closest(arguments, text):
    with pytest.raises(BadUseError) as caught:
        select(*arguments)
    assert caught.value.exit_status == ExitStatus.BAD_USE
    assert text in str(caught.value)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Sources of the user's own, in and below the present directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.c", "simple.c", "sub/mine.c"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")


def test_programs_of_the_users_own_are_called_by_their_file_and_come_last(own):
    chosen = select(["tp_btf"], ["sub/mine.c", "simple.c", "simple", "simple.c"])
    assert [case.name for case in chosen] == [
        "getpid/tp_btf/simple",
        "getpid/tp_btf/mine.c",
        "getpid/tp_btf/simple.c",
    ]
    assert [case.program.source for case in chosen] == [None, Path("sub/mine.c"), Path("simple.c")]


def test_file_that_is_not_there(own):
    with pytest.raises(BadUseError, match=r"no program file gone\.c; name a file that is there"):
        select(["tp_btf"], ["gone.c"])


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["mine.c", "sub/mine.c"], ["mine.c", "sub/mine.c"]),
        (["a/probe.c", "b/probe.c", "mine.c"], ["a/probe.c", "b/probe.c", "mine.c"]),
        (["x/a/probe.c", "x/b/probe.c", "x/c.c"], ["a/probe.c", "b/probe.c", "c.c"]),
        (["x/a/probe.c", "y/a/probe.c"], ["x/a/probe.c", "y/a/probe.c"]),
        (["a/probe.c", "a/probe.c"], ["probe.c"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_directories(own, tmp_path, files, names):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    chosen = programs_named(files)
    assert [each.name for each in chosen] == names
    assert [each.source for each in chosen] == list(dict.fromkeys(map(Path, files)))


TOOL = """\
RAW_TRACEPOINT_PROBE(sys_exit) { return 0; }
int kprobe__sys_getpid(struct pt_regs *ctx) { return 0; }
int trace_entry(struct pt_regs *ctx) { return 0; }
"""


@pytest.fixture
def tool(own, tmp_path):
    (tmp_path / "tool.c").write_text(TOOL)


def test_functions_of_a_bcc_tool_are_attached_where_their_names_say(tool):
    kprobe, raw = sorted(select([], ["tool.c"]), key=lambda case: case.attach.name)
    assert (kprobe.attach.name, kprobe.workload.name) == ("kprobe", "getpid")
    assert "__x64_sys_getpid" in {str(point) for point in kprobe.points}
    assert (raw.attach.name, raw.points) == ("raw_tracepoint_exit", (AttachPoint("sys_exit"),))
    assert raw.program.name == "tool.c:raw_tracepoint__sys_exit"


def test_one_function_of_a_tool_is_chosen_and_attached_anywhere(tool):
    settings = ObjectSettings(("trace_entry",), map_sizes=(("start", 5, 0),))
    (case,) = select(["fentry"], ["tool.c"], settings=settings)
    assert (case.attach.name, case.program.name) == ("fentry", "tool.c")
    assert (case.program.function, case.program.section) == ("trace_entry", "")
    assert case.program.settings.entries == {"start": 5}
    assert not case.program.is_object


def test_functions_of_a_tool_are_attached_where_the_user_says(tool):
    wanted = ["trace_entry=kprobe/vfs_read", "trace_entry=fentry/vfs_write", "kprobe__sys_getpid"]
    cases = select([], ["tool.c"], settings=object_settings(wanted, (), ()))
    assert [(case.program.name, case.attach.name, str(case.points[0])) for case in cases] == [
        ("tool.c:trace_entry=kprobe/vfs_read", "kprobe", "vfs_read"),
        ("tool.c:trace_entry=fentry/vfs_write", "fentry", "vfs_write"),
        ("tool.c:kprobe__sys_getpid", "kprobe", "__do_sys_getpid"),
    ]
    assert {case.program.in_object for case in cases} == {"tool.c"}
    (alone,) = select([], ["tool.c"], settings=object_settings(["trace_entry=xdp"], (), ()))
    assert (alone.program.name, alone.attach.name) == ("tool.c", "xdp")


def test_places_of_a_script_stay(own, tmp_path):
    (tmp_path / "a.bt").write_text("kprobe:f { }")
    with pytest.raises(BadUseError, match="is a script, which says where it is attached"):
        select([], ["a.bt"], settings=object_settings(["kprobe:f=kprobe/g"], (), ()))


def test_nothing_is_set_in_c_source(tool):
    with pytest.raises(BadUseError, match=r"tool\.c is C source, in which nothing is set"):
        select([], ["tool.c"], settings=ObjectSettings(variables=(("limit", "5"),)))


def test_a_guest_is_told_programs_of_one_name_apart(own, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "probe.c").write_text("int program(void *ctx) { return 0; }\n")
    chosen = select(["tp_btf"], ["a/probe.c", "b/probe.c"])
    there = [of_data(json.loads(json.dumps(to_data(case)))) for case in chosen]
    assert [case.program.name for case in there] == ["a/probe.c", "b/probe.c"]
    assert [case.program.source for case in there] == [
        tmp_path / folder / "probe.c" for folder in ("a", "b")
    ]


def test_go_names_are_the_references():
    """So that results of both can be compared by benchstat, line by line."""
    names = {f"Getpid{case.attach.go_name}With{case.program.go_name}" for case in reference_grid()}
    assert "GetpidTracepointWithNoMap" in names
    assert len({attach.go_name for attach in ATTACH_TYPES.values()}) == len(ATTACH_TYPES)
    assert len({case.program.go_name for case in select()}) == len(STANDARD_PROGRAMS)
    assert len({program.go_name for program in PROGRAMS.values()}) == len(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_its_source_with_licence_and_summary(name):
    source = PROGRAMS[name].file or name
    text = source_path(source).read_text()
    assert text.startswith("// SPDX-License-Identifier: GPL-2.0-only\n")
    assert f"\n * {source}: " in text
    assert "int program(void *ctx)" in text


def test_every_source_is_in_the_catalogue():
    shipped = {path.stem for path in source_path("empty").parent.glob("*.c")}
    assert shipped == {each.file or each.name for each in PROGRAMS.values()} | {
        "caller_counter",
        "delivery",
        "map_state",
    }


def test_groups_of_programs():
    assert PROGRAM_GROUPS["all"] == tuple(PROGRAMS)
    single = [set(names) for group, names in PROGRAM_GROUPS.items() if group != "all"]
    assert sum(map(len, single)) == len(PROGRAMS) == len(set().union(*single))
    assert not PROGRAM_GROUPS.keys() & PROGRAMS.keys()
    chosen = [each.name for each in programs_named(["buffers", "empty", "ringbuf_output"])]
    assert chosen == ["empty", "ringbuf_output", "ringbuf_reserve", "perf_event_array"]


def test_groups_are_of_attach_types_and_every_one_is_in_one():
    grouped = [name for group, names in GROUPS.items() if group not in ("all", "standard")
               for name in names]  # fmt: skip
    assert sorted(grouped) == sorted(ATTACH_TYPES)
    assert GROUPS["all"] == tuple(ATTACH_TYPES)
    assert GROUPS["standard"] == STANDARD_ATTACH_TYPES
    assert not GROUPS.keys() & ATTACH_TYPES.keys()


def test_group_stands_for_its_attach_types():
    chosen = {case.attach.name for case in select(["uprobes", "lsm"], ["empty"])}
    assert chosen == {*GROUPS["uprobes"], "lsm"}


def test_each_attach_type_has_targets_of_its_kind_only():
    cases = select(["all"], ["empty"])
    assert {case.attach.name for case in cases} == ATTACH_TYPES.keys()
    assert all(case.attach.workload_kind in case.workload.kinds for case in cases)
    assert [case.name for case in select(["lsm", "usdt"], ["empty"])] == [
        "getpgid/lsm/empty",
        "usdt/usdt/empty",
    ]
    assert len(select(["uprobe"], ["empty"])) == 5
    assert [case.name for case in select(["uprobe", "kprobe"], ["empty"], ["function_ret"])] == [
        "function_ret/uprobe/empty"
    ]


def test_targets_that_fit_no_attach_type_are_bad_use():
    words = "no attach type chosen is for workload getpid; choose of function, function_nop5"
    with pytest.raises(BadUseError, match=words):
        select(["uprobe"], ["empty"], ["getpid"])


def test_sessions_run_at_both_ends():
    twice = {case.attach.name for case in select(["all"], ["empty"]) if case.runs_per_call == 2}
    switches = {"tracepoint_switch", "tp_btf_switch", "kprobe_switch"}
    assert twice == {"fsession", "fsession_multi", "kprobe_session", "uprobe_session", *switches}
