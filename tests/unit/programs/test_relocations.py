"""What the kernel lacks, as libbpf says it and as users read it."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.programs.relocations import Unresolved, explained, unresolved


def notes(asked: str, *more: str, program: str = "f", instruction: int = 1) -> list[str]:
    said = (
        asked,
        *more,
        "no matching targets found",
        f"substituting insn #{instruction} w/ invalid insn",
    )
    return [f"prog '{program}': relo #0: {each}" for each in said]


CANDIDATE = "non-matching candidate #0 <byte_off> [114] struct task_struct (0 @ offset 0)"


@pytest.mark.parametrize(
    ("asked", "more", "lack"),
    [
        (
            "<byte_off> [5] struct task_struct.no_such_field (0:2 @ offset 8)",
            (CANDIDATE,),
            "this kernel's struct task_struct has no no_such_field",
        ),
        (
            "<byte_off> [5] struct task_struct___old.state.x (0:2 @ offset 8)",
            (CANDIDATE,),
            "this kernel's struct task_struct has no state.x",
        ),
        (
            "<byte_off> [5] struct no_such_type.c[2].b (0:1:2:0 @ offset 12)",
            (),
            "this kernel has no struct no_such_type",
        ),
        ("<type_size> [5] struct no_such_type", (), "this kernel has no struct no_such_type"),
        (
            "<enumval_value> [9] enum no_such_enum::XYZ = 3",
            (),
            "this kernel has no enum no_such_enum",
        ),
        ("<byte_off> [7] <anonymous>", (), "this kernel has no <anonymous>"),
    ],
)
def test_lack(asked, more, lack):
    assert unresolved(notes(asked, *more)) == {"f": [Unresolved(1, lack)]}


def test_each_program_has_its_own_and_what_was_found_is_left_out():
    found = notes("<byte_off> [5] struct a.x (0 @ offset 0)", program="one", instruction=7)
    fine = ["prog 'two': relo #0: patched insn #5 (LDX/ST/STX) off 4 -> 1234", "anything else"]
    lack = "this kernel has no struct a"
    assert unresolved([*found, *fine]) == {"one": [Unresolved(7, lack)]}


LOG = """0: (85) call bpf_get_current_task#35
8: (85) call unknown#195896080
invalid func unknown#195896080
processed 2 insns"""
MISSING = [Unresolved(1, "this kernel has no struct a"), Unresolved(8, "… no struct b")]


def rejected(log: str) -> FailedError:
    error = FailedError("verifier rejects f")
    error.verifier_log = log
    return error


def test_the_instruction_that_the_verifier_got_to_counts():
    error = explained(rejected(LOG), MISSING, "mine.bpf.o")
    assert isinstance(error, UnsupportedError)
    assert error.what == "mine.bpf.o: … no struct b, which it uses (CO-RE)"
    assert error.verifier_log == LOG


def test_in_a_function_that_libbpf_appended_numbers_differ():
    log = LOG.replace("8: ", "40: ")
    assert explained(rejected(log), MISSING[:1], "m").what.startswith("m: this kernel has no")


@pytest.mark.parametrize("log", ["", "8: (95) exit\nR0 !read_ok\nprocessed 2 insns"])
def test_another_rejection_stays_what_it_is(log):
    error = rejected(log)
    assert explained(error, MISSING, "mine.bpf.o") is error
    assert explained(rejected(LOG), [], "mine.bpf.o").what == "verifier rejects f"
