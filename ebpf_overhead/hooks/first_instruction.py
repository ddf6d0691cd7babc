"""The instruction that a uprobe replaces: how the kernel executes it decides what the probe costs.

The kernel reads the instruction when it sets the breakpoint (``branch_setup_xol_ops`` and
``push_setup_xol_ops`` of ``arch/x86/kernel/uprobes.c``).  One that it emulates costs one exception.
Any other is executed out of line and single-stepped, which is another exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import elf
from ebpf_overhead.hooks.attach_point import AttachPoint

_LONGEST_BYTES = 15
# Operand and address size, repetition, segments, lock.
_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0")
# x86_nops of arch/x86/kernel/alternative.c.
_LONG_NOPS = tuple(
    bytes.fromhex(code)
    for code in (
        "6666 2e0f1f840000000000",
        "662e0f1f840000000000",
        "660f1f840000000000",
        "0f1f840000000000",
        "0f1f8000000000",
        "660f1f440000",
        "0f1f440000",
        "0f1f4000",
        "0f1f00",
    )
)


@dataclass(frozen=True)
class FirstInstruction:
    """What a uprobe replaces.

    Attributes
    ----------
    name : str
        What it is, and what kernels do with it where all do the same.
    workload : str
        The workload that begins with such an instruction.
    """

    name: str
    workload: str


NOP = FirstInstruction("nop (emulated)", "function")
# Emulated since 4.16, e7ed9d9bd037 ("uprobes/x86: Emulate push insns for uprobe on x86").
PUSH = FirstInstruction("push (emulated)", "function_push")
JUMP = FirstInstruction("jump (emulated)", "function")
# It writes to the stack, as push does.
CALL = FirstInstruction("call (emulated)", "function_push")
STEPPED = FirstInstruction("an instruction that is single-stepped", "function_ret")
# Single-stepped until 6.15, emulated since 6.16, 610f6e14c29d ("uprobes/x86: Add support to
# emulate NOP instructions"); the one of five bytes is replaced by a call since 6.18,
# ba2bfc97b462 ("uprobes/x86: Add support to optimize uprobes").  Kernels with "uprobes/x86: Move
# optimized uprobe from nop5 to nop10", as 7.3, replace the one of ten bytes instead; others refuse
# it for its prefix.
NOP5 = FirstInstruction("nop of 5 bytes", "function_nop5")
NOP10 = FirstInstruction("nop of 10 bytes", "function_nop10")
# There is no workload that begins so: costs.py says which one costs as much.
OTHER_NOP = FirstInstruction("nop of several bytes", "")


@cache
def first_instruction(point: AttachPoint) -> FirstInstruction:
    """Return what a uprobe on a point of a file replaces.

    Raises
    ------
    UnsupportedError
        It is not known what kernels do with this instruction on this machine.
    """
    path = str(point.path)
    classify = _CLASSIFIERS.get(elf.machine(path))
    if classify is None:
        raise UnsupportedError(
            f"{path} has code of a machine that is not known here",
            "name a function of a program or library for x86 or arm64",
        )
    with open(path, "rb") as stream:
        stream.seek(point.offset_bytes)
        return classify(stream.read(_LONGEST_BYTES))


def _of_x86_64(code: bytes) -> FirstInstruction:
    return _of_x86(code, long_mode=True)


def _of_i386(code: bytes) -> FirstInstruction:
    return _of_x86(code, long_mode=False)


def _of_x86(code: bytes, long_mode: bool) -> FirstInstruction:
    for nop in _LONG_NOPS:
        if code.startswith(nop):
            return {5: NOP5, 10: NOP10}.get(len(nop), OTHER_NOP)
    # The kernel emulates push with the prefix for r8 to r15, and with no other.
    if _is_push(code) or (long_mode and code[:1] == b"\x41" and _is_push(code[1:])):
        return PUSH
    opcode = code.lstrip(bytes(_PREFIXES))
    if long_mode and opcode[:1] and 0x40 <= opcode[0] <= 0x4F:
        opcode = opcode[1:]
    return _by_opcode(opcode[0] if opcode else 0, opcode[1] if len(opcode) > 1 else 0)


def _is_push(code: bytes) -> bool:
    return bool(code) and 0x50 <= code[0] <= 0x57


def _by_opcode(first: int, second: int) -> FirstInstruction:
    if first == 0x90:
        return NOP
    if first == 0xE8:
        return CALL
    conditional = 0x70 <= first <= 0x7F or (first == 0x0F and 0x80 <= second <= 0x8F)
    return JUMP if conditional or first in (0xE9, 0xEB) else STEPPED


def _of_aarch64(code: bytes) -> FirstInstruction:
    word = int.from_bytes(code[:4], "little")
    if word == 0xD503201F:
        return NOP
    if word & 0xFFC07FFF == 0xA9807BFD:  # stp x29, x30, [sp, #-N]!
        return FirstInstruction("stp x29, x30", "function_push")
    if word == 0xD65F03C0:
        return FirstInstruction("ret", "function_ret")
    raise UnsupportedError(
        f"what a uprobe on the instruction {word:08x} costs is not known:"
        " no workload begins with such a one on arm64",
        "name a function that begins with nop, ret or stp x29, x30",
    )


_CLASSIFIERS: dict[int | None, Callable[[bytes], FirstInstruction]] = {
    elf.X86_64: _of_x86_64,
    elf.I386: _of_i386,
    elf.AARCH64: _of_aarch64,
}
