"""One instruction of a program, and what it does with registers."""

from __future__ import annotations

from typing import NamedTuple

from ebpf_overhead.bpf.structures import LOAD_64, BpfInsn

CALL, EXIT = 0x85, 0x95
SET, SET_32 = 0xB7, 0xB4  # BPF_MOV | BPF_K, with 64 and with 32 bits
PSEUDO_CALL = 1  # in src_reg of CALL: a function of the program
# Classes of instructions, of include/uapi/linux/bpf_common.h and bpf.h.
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
_ATOMIC = 0xC0  # mode of a store
_FETCH, _COMPARE = 0x01, 0xF1  # in imm of an atomic store
_MOVE = 0xB0  # operation of an instruction that computes


class Insn(NamedTuple):
    """An instruction, or half of one of 16 bytes: ``struct bpf_insn``."""

    code: int
    dst_reg: int = 0
    src_reg: int = 0
    off: int = 0
    imm: int = 0

    def __bytes__(self) -> bytes:
        """Return it as the kernel takes it."""
        return bytes(BpfInsn(*self))

    @property
    def defined(self) -> int:
        """Which registers it sets, a bit for each."""
        kind = self.code & 7
        if self.code & 0xF0 == 0x80 and kind == JMP:
            return 0b111111
        if kind in (LDX, ALU, ALU64) or self.code == LOAD_64:
            return 1 << self.dst_reg
        if kind == LD:
            return 0b111111
        if kind == STX and self.code & 0xE0 == _ATOMIC and self.imm & _FETCH:
            return 1 if self.imm == _COMPARE else 1 << self.src_reg
        return 0

    @property
    def used(self) -> int:
        """Which registers it reads, a bit for each."""
        kind, source, own = self.code & 7, 1 << self.src_reg, 1 << self.dst_reg
        if self.code == EXIT:
            return 1
        if kind == JMP and self.code & 0xF0 == 0x80:
            return 0b111110
        if kind == LD:
            return 0 if self.code == LOAD_64 else 1 << 6 | source
        if kind == LDX:
            return source
        if kind == ST:
            return own
        if kind == STX:
            return own | source | (self.imm == _COMPARE)
        if kind in (ALU, ALU64) and self.code & 0xF0 == _MOVE:
            own = 0
        return own | (source if self.code & 0x08 else 0)
