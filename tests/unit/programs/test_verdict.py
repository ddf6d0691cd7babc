"""Programs let packets pass where they are asked for a verdict, whatever they return."""

from __future__ import annotations

import pytest

from ebpf_overhead.bpf.structures import LOAD_64
from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.programs.insn import CALL, EXIT, PSEUDO_CALL, Insn
from ebpf_overhead.programs.verdict import passing

MOVE = 0xB7
# if r1 == 0 goto the second end; a number of 64 bits whose second half looks like an end.
CODE = b"".join(
    map(
        bytes,
        [
            Insn(0x15, dst_reg=1, off=2),
            Insn(MOVE, imm=0),
            Insn(EXIT),
            Insn(LOAD_64, dst_reg=2),
            Insn(EXIT),
            Insn(MOVE, imm=7),
            Insn(EXIT),
        ],
    )
)


def run(code: bytes, r1: int) -> int:
    """Execute what these programs are made of."""
    registers, index = {1: r1}, 0
    while True:
        insn = Insn(code[8 * index], *divmod(code[8 * index + 1], 16)[::-1])
        off = int.from_bytes(code[8 * index + 2 : 8 * index + 4], "little", signed=True)
        imm = int.from_bytes(code[8 * index + 4 : 8 * index + 8], "little", signed=True)
        index += 1
        if insn.code == EXIT:
            return registers[0]
        if insn.code == LOAD_64:
            index += 1
        elif insn.code == MOVE:
            registers[insn.dst_reg] = imm
        elif insn.code == 0x05 or (insn.code == 0x15 and registers[insn.dst_reg] == imm):
            index += off


@pytest.mark.parametrize(
    ("prog_type", "verdict"),
    [
        (ProgType.XDP, 2),
        (ProgType.SCHED_CLS, -1),
        (ProgType.CGROUP_SKB, 1),
        (ProgType.CGROUP_SOCK_ADDR, 1),
    ],
)
def test_every_end_lets_pass(prog_type, verdict):
    assert [run(CODE, r1) for r1 in (0, 1)] == [7, 0]
    made = passing(CODE, prog_type, TraceAttachType.NONE)
    assert [run(made, r1) for r1 in (0, 1)] == [verdict, verdict]
    assert len(made) == len(CODE) + 16


@pytest.mark.parametrize("prog_type", [ProgType.KPROBE, ProgType.TRACING, ProgType.UNSPEC])
def test_hooks_that_want_no_verdict_get_the_program_as_it_is(prog_type):
    assert passing(CODE, prog_type, TraceAttachType.FENTRY) is CODE


SECURITY = [
    (ProgType.LSM, TraceAttachType.LSM_MAC),
    (ProgType.TRACING, TraceAttachType.MODIFY_RETURN),
]


@pytest.mark.parametrize(("prog_type", "attach"), SECURITY)
def test_a_program_that_refuses_calls_lets_them_pass(prog_type, attach):
    made = passing(CODE, prog_type, attach)
    assert [run(made, r1) for r1 in (0, 1)] == [0, 0]


def made_of(*insns: Insn) -> bytes:
    return b"".join(map(bytes, insns))


@pytest.mark.parametrize(
    ("code", "same"),
    [
        (made_of(Insn(MOVE), Insn(EXIT)), True),
        # 0 in 32 bits, then a jump to the end over another number.
        (made_of(Insn(0xB4), Insn(0x05, off=1), Insn(MOVE, imm=7), Insn(EXIT)), True),
        (made_of(Insn(0xB4), Insn(0x15, 1, off=1), Insn(MOVE, imm=7), Insn(EXIT)), False),
        # What a helper returns, and the same overwritten.
        (made_of(Insn(MOVE), Insn(CALL, imm=5), Insn(EXIT)), False),
        (made_of(Insn(CALL, imm=5), Insn(MOVE), Insn(EXIT)), True),
        # Its own function may return what it will.
        (made_of(Insn(CALL, 0, PSEUDO_CALL, imm=2), Insn(MOVE), Insn(EXIT), *[Insn(EXIT)]), True),
        (b"", True),
    ],
)
def test_a_program_that_lets_pass_by_itself_stays_as_it_is(code, same):
    assert (passing(code, *SECURITY[0]) is code) == same


def test_functions_of_its_own_end_as_they_did_and_are_found():
    own = [Insn(CALL, 0, PSEUDO_CALL, imm=1), Insn(EXIT)]
    code = made_of(*own, Insn(MOVE, imm=7), Insn(EXIT))
    made = passing(code, ProgType.XDP, TraceAttachType.NONE)
    insns = [Insn(0x05, off=0), Insn(MOVE, imm=2), Insn(EXIT), Insn(MOVE, imm=7), Insn(EXIT)]
    assert made == made_of(own[0]._replace(imm=3), *insns)
    assert passing(code, ProgType.KPROBE, TraceAttachType.NONE) == code
