"""The catalogue: what is in it, and choosing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ebpf_overhead import attach
from ebpf_overhead.cases import (
    ATTACH_TYPES,
    GROUPS,
    PROGRAMS,
    STANDARD_ATTACH_TYPES,
    STANDARD_PROGRAMS,
    TARGETS,
    reference_grid,
    select,
)
from ebpf_overhead.catalogue import PROGRAM_GROUPS, programs_named
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.programs import source_path


def test_catalogue_is_keyed_by_name():
    for catalogue in (ATTACH_TYPES, PROGRAMS, TARGETS):
        assert all(entry.name == name for name, entry in catalogue.items())


def test_the_reference_grid():
    assert {(case.attach.name, case.program.name) for case in reference_grid()} == {
        (attach, program)
        for attach in ("tp_btf", "fentry", "kprobe")
        for program in ("empty", "simple", "complex")
    }
    assert {case.target.name for case in reference_grid()} == {"getpid"}


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
    assert {case.target.name for case in select()} == {"getpid"}
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
    ("arguments", "kind", "catalogue"),
    [
        ((["tp_btff"], []), "attach type", ATTACH_TYPES),
        (([], ["tp_btff"]), "program", PROGRAMS),
        (([], [], ["tp_btff"]), "target", TARGETS),
    ],
)
def test_unknown_name_says_what_there_is(arguments, kind, catalogue):
    with pytest.raises(BadUseError) as caught:
        select(*arguments)
    assert caught.value.exit_status == ExitStatus.BAD_USE
    assert f"no {kind} is called 'tp_btff'" in str(caught.value)
    assert all(name in str(caught.value) for name in catalogue)


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


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["gone.c"], "no program file gone.c; name a C source that is there"),
        (["mine.c", "sub/mine.c"], "mine.c and sub/mine.c would both be called mine.c"),
    ],
)
def test_files_that_cannot_be_told_apart_or_are_not_there(own, wanted, words):
    with pytest.raises(BadUseError, match=words):
        select(["tp_btf"], wanted)


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
        "witness",
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
    assert all(case.target.kind == case.attach.targets for case in cases)
    assert [case.name for case in select(["lsm", "usdt"], ["empty"])] == [
        "getpgid/lsm/empty",
        "usdt/usdt/empty",
    ]
    assert len(select(["uprobe"], ["empty"])) == 5
    assert [case.name for case in select(["uprobe", "kprobe"], ["empty"], ["function_ret"])] == [
        "function_ret/uprobe/empty"
    ]


def test_targets_that_fit_no_attach_type_are_bad_use():
    words = "no attach type chosen is for target getpid; choose of function, function_nop5"
    with pytest.raises(BadUseError, match=words):
        select(["uprobe"], ["empty"], ["getpid"])


def test_sessions_run_at_both_ends():
    twice = {case.attach.name for case in select(["all"], ["empty"]) if case.runs_per_call == 2}
    assert twice == {"kprobe_session", "uprobe_session"}


def test_every_attach_type_says_how_it_is_reached_and_has_a_loader():
    assert attach._LOADERS.keys() == ATTACH_TYPES.keys()
    assert all(each.reach and each.hook for each in ATTACH_TYPES.values())
