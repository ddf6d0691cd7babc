"""What is told of instructions without running them."""

from __future__ import annotations

import pytest

from ebpf_overhead.programs.code_flow import CONTEXT, STACK, Code
from ebpf_overhead.programs.insn import Insn

EXIT = Insn(0x95)
LOOKUP, UPDATE = Insn(0x85, imm=1), Insn(0x85, imm=2)


def code(*instructions: Insn, **maps: int) -> Code:
    named = {index: name for name, index in maps.items()}
    return Code(b"".join(map(bytes, instructions)), named)


def load_map(register: int) -> tuple[Insn, Insn]:
    return Insn(0x18, register, 1), Insn(0)


def copy(to: int, source: int) -> Insn:
    return Insn(0xBF, to, source)


def test_map_is_followed_through_registers_that_calls_keep():
    found = code(*load_map(6), copy(1, 6), LOOKUP, copy(1, 6), UPDATE, EXIT, seen=0)
    assert [found.map_in(index, 1) for index in (3, 5)] == ["seen", "seen"]


def test_registers_that_calls_do_not_keep_hold_nothing_known():
    found = code(*load_map(1), LOOKUP, UPDATE, EXIT, seen=0)
    assert found.map_in(2, 1) == "seen"
    assert found.map_in(3, 1) == ""


def test_map_that_depends_on_the_way_is_not_known():
    either = [Insn(0x15, 1, off=3), *load_map(6), Insn(0x05, off=2), *load_map(6)]
    found = code(*either, copy(1, 6), UPDATE, EXIT, one=1, other=4)
    assert found.map_in(7, 1) == ""
    same = Code(b"".join(map(bytes, [*either, copy(1, 6), UPDATE, EXIT])), {1: "one", 4: "one"})
    assert same.map_in(7, 1) == "one"


def test_context_and_stack_are_known_at_the_beginning_and_stay_what_they_are():
    found = code(copy(6, 1), copy(7, 10), Insn(0x07, 7, imm=-8), Insn(0x07, 6, imm=8), EXIT)
    assert found.held[0][1] == CONTEXT
    assert found.held[4][7] == STACK
    assert found.held[4][6] is None, "somewhere in the context"


def test_storage_that_was_found_is_a_value_of_its_map():
    found = code(*load_map(1), Insn(0x85, imm=156), Insn(0x7A, 0, imm=1), EXIT, begun=0)
    assert found.stored_in(3) == "begun"


def test_number_in_a_register_is_known_until_it_is_changed():
    found = code(Insn(0xB7, 4, imm=1), LOOKUP, Insn(0xB7, 4, imm=2), Insn(0x07, 4, imm=1), UPDATE)
    assert [found.number_in(index, 4) for index in (1, 4)] == [1, None]


def test_values_of_maps_are_written_and_the_stack_is_not_counted():
    found = code(
        *load_map(1),
        LOOKUP,
        Insn(0x07, 0, imm=8),
        Insn(0x7B, 0, 6),  # into the value
        Insn(0x7B, 10, 6, -8),
        EXIT,
        seen=0,
    )
    assert found.stores() == [4]
    assert found.stored_in(4) == "seen"


def test_one_store_of_each_block_is_told():
    put = Insn(0x7A, 6)
    found = code(put, put, Insn(0x15, 7, off=2), put, put, put, EXIT)
    assert found.stores() == [0, 3, 5]


@pytest.mark.parametrize(
    ("read", "where"),
    [
        (Insn(0x79, 2, 1, 16), (16, 8)),
        (Insn(0x61, 2, 1, 12), (12, 4)),
        (Insn(0x69, 2, 1, 30), (30, 2)),
        (Insn(0x71, 2, 1, 9), (9, 1)),
        (Insn(0x79, 2, 10, -8), (0, 0)),
    ],
)
def test_last_byte_that_is_read_of_the_context(read, where):
    assert code(Insn(0x71, 3, 1), read, EXIT).context_read() in (where, (0, 1))
    assert (code(read, EXIT).context_read()) == where


def test_registers_are_live_until_they_are_read_for_the_last_time():
    found = code(Insn(0xB7, 6, imm=1), Insn(0xB7, 7, imm=2), copy(0, 6), EXIT)
    assert [found.live_after(index) for index in (0, 1, 2, 3)] == [1 << 6, 1 << 6, 1, 0]


def test_calls_read_their_arguments_and_leave_a_result():
    found = code(UPDATE, EXIT)
    assert found.live[0] == 0b111110
    assert found.live_after(0) == 1


def test_registers_of_a_loop_stay_live_all_around_it():
    found = code(Insn(0x07, 6, imm=-1), Insn(0x0F, 7, 6), Insn(0x55, 6, off=-3), copy(0, 7), EXIT)
    assert found.live[0] == 1 << 6 | 1 << 7


def test_far_jump_and_compare_and_exchange():
    far = code(Insn(0x06, imm=1), EXIT, Insn(0xDB, 6, 7, 0, 0xF1), EXIT)
    assert far.successors(0) == [2]
    assert far.slots[2].used == 1 | 1 << 6 | 1 << 7
    assert far.slots[2].defined == 1


def test_helpers_that_are_called():
    assert code(LOOKUP, EXIT, UPDATE, Insn(0x85, 0, 1, imm=-1), EXIT).helpers == {1, 2}


def test_functions_of_the_kernel_that_are_no_helpers():
    """The register tells them from helpers, and from functions of the program."""
    for kind, kfunc in ((0, False), (1, False), (2, True)):
        assert code(Insn(0x85, src_reg=kind, imm=7), EXIT).calls_kfuncs == kfunc
