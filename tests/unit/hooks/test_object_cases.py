"""The cases of object files: groups, and what guests know of their kernel."""

from __future__ import annotations

from pathlib import Path

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.object_cases import with_configuration, with_groups
from ebpf_overhead.hooks.sections import is_nowhere
from ebpf_overhead.programs.object_settings import object_settings

OBJECTS = Path(__file__).parents[2] / "data" / "objects"
CONFIGURATION = "# CONFIG_X is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\nCONFIG_Y=m\n"


def test_an_object_is_given_what_it_looks_at_behind_what_the_user_set():
    settings = object_settings((), (), ["CONFIG_HZ=100"])
    cases = select(["raw_tracepoint"], [str(OBJECTS / "settings.bpf.o"), "empty"], (), settings)
    empty, case = with_configuration(cases, CONFIGURATION)
    assert case.program.settings.kernel_config == "CONFIG_HZ=100\nCONFIG_HZ=250\n"
    assert empty == cases[0]
    assert with_configuration(cases, None) == cases


def test_all_programs_of_a_group_are_given_it():
    """They are one object, which is opened once."""
    alone = select((), [str(OBJECTS / "pair.bpf.o")])
    group, *rest = with_configuration(with_groups(alone), CONFIGURATION)
    (other,) = group.co_attached.cases
    assert {case.program.settings for case in (group, other, *rest)} == {alone[0].program.settings}


def test_programs_that_are_attached_nowhere_are_in_no_group():
    cases = select((), [str(OBJECTS / "hooks.bpf.o")])
    group, *alone = with_groups(cases)
    assert alone == cases
    nowhere = [each for each in cases if is_nowhere(each.attach)]
    assert {each.attach.name for each in nowhere} == {"iter", "struct_ops", "mine"}
    members = [*group.co_attached.cases, group]
    assert len(members) + len(nowhere) == len(cases)
    assert not {each.attach for each in members} & {each.attach for each in nowhere}
    uncalled = select((), [str(OBJECTS / "uncalled.bpf.o")])
    assert with_groups(uncalled) == uncalled
    assert with_groups([*nowhere, cases[0]]) == [*nowhere, cases[0]], "one program is left"
