"""Runs BPF instructions as the kernel would, with helpers whose results a test decides."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ebpf_overhead.programs.insn import CALL, EXIT, Insn

_ALL = (1 << 64) - 1
_UNKNOWN = 0xBAD0_BAD0_BAD0_BAD0  # in a register that must not be read
RESULTS_AT = 1 << 40
_STACK_AT = 1 << 41


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Machine:
    """Where a program runs.

    Parameters
    ----------
    results : iterable of int
        What its calls of helpers return, one after the other.

    Attributes
    ----------
    memory : dict of int to int
        Bytes by address.
    called : list of int
        Helpers in the order of their calls.
    """

    def __init__(self, results: Iterable[int]) -> None:
        self.results = iter(results)
        self.memory: dict[int, int] = {}
        self.called: list[int] = []

    def run(self, code: bytes, results_at: int = RESULTS_AT) -> int:
        slots = [
            Insn(opcode, registers & 15, registers >> 4, off, imm)
            for opcode, registers, off, imm in struct.iter_unpack("=BBhi", code)
        ]
        registers = [_UNKNOWN] * 10 + [_STACK_AT]
        registers[1] = 0
        at = 0
        for _ in range(10_000):
            each = slots[at]
            at += 1
            if each.code == EXIT:
                return registers[0]
            if each.code == CALL:
                self.called.append(each.imm)
                registers[:6] = [next(self.results) & _ALL, *[_UNKNOWN] * 5]
            elif each.code == 0x18:
                registers[each.dst_reg] = results_at + slots[at].imm if each.src_reg == 2 else 0
                at += 1
            elif each.code & 7 in (1, 2, 3):
                self._access(each, registers)
            elif each.code & 7 in (5, 6):
                at += each.off if self._jumps(each, registers) else 0
            else:
                self._compute(each, registers)
        raise AssertionError("the program does not end")

    def load(self, address: int) -> int:
        return int.from_bytes(
            bytes(self.memory.get(address + index, 0) for index in range(8)), "little"
        )

    def _store(self, address: int, value: int) -> None:
        for index, byte in enumerate((value & _ALL).to_bytes(8, "little")):
            self.memory[address + index] = byte

    def _access(self, each: Insn, registers: list[int]) -> None:
        own, other = registers[each.dst_reg], registers[each.src_reg]
        if each.code == 0x79:
            registers[each.dst_reg] = self.load(other + each.off)
        elif each.code == 0x7A:
            self._store(own + each.off, each.imm)
        elif each.code == 0x7B:
            self._store(own + each.off, other)
        else:
            assert each.code == 0xDB
            self._store(own + each.off, self.load(own + each.off) + other)

    def _jumps(self, each: Insn, registers: list[int]) -> bool:
        own, bits = registers[each.dst_reg], 64 if each.code & 7 == 5 else 32
        return {
            0x00: True,
            0x10: own == each.imm & _ALL,
            0x50: own != each.imm & _ALL,
            0x60: signed(own, bits) > each.imm,
        }[each.code & 0xF0]

    def _compute(self, each: Insn, registers: list[int]) -> None:
        own = registers[each.dst_reg]
        other = registers[each.src_reg] if each.code & 8 else each.imm
        registers[each.dst_reg] = {
            0x00: own + other,
            0x60: own << (other & 63),
            0xB0: other,
            0xC0: signed(own) >> (other & 63),
        }[each.code & 0xF0] & _ALL
