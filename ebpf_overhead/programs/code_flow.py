"""What a program's instructions do, found without running them.

Three questions are answered for any instruction: what a register holds there (a map, the
program's context, its stack, a number), which registers nobody reads afterwards, and what runs
next.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import zip_longest

from ebpf_overhead.bpf.helpers import VALUES
from ebpf_overhead.bpf.structures import (
    LOAD_64,
    PSEUDO_FUNC,
    PSEUDO_MAP_VALUE,
    instructions,
)
from ebpf_overhead.programs.insn import (
    CALL,
    EXIT,
    JMP,
    JMP32,
    LDX,
    PSEUDO_CALL,
    SET,
    SET_32,
    ST,
    STX,
    Insn,
)

_ALWAYS, _MOVE_64, _ADD_64, _SUBTRACT_64 = 0x00, 0xBF, 0x07, 0x17
_STACK_REGISTER, _REGISTERS = 10, 16
_KFUNC = 2  # BPF_PSEUDO_KFUNC_CALL of include/uapi/linux/bpf.h

# What a register holds, besides the name of a map; anything else is None.
STACK, CONTEXT, _VALUE, _NUMBER = "\0stack", "\0context", "\0value of ", "\0number "
_Registers = tuple[str | None, ...]


class Code:
    """The instructions of a function and those of the functions that it calls.

    Parameters
    ----------
    code : bytes
        8 bytes per instruction.
    maps : mapping of int to str
        The name of the map that an instruction loads, by the index of the instruction.

    Attributes
    ----------
    slots : list of Insn
        The instructions; one of 16 bytes takes two.
    starts : list of int
        Where an instruction begins.
    """

    def __init__(self, code: bytes, maps: Mapping[int, str]) -> None:
        self.slots = [
            Insn(each.code, each.dst_reg, each.src_reg, each.off, each.imm)
            for each in instructions(code)
        ]
        self._maps = maps
        self.starts = list(self._starts())
        self._following = dict(zip_longest(self.starts, self.starts[1:]))

    def _starts(self) -> Iterator[int]:
        index = 0
        while index < len(self.slots):
            yield index
            index += self.size(index)

    def size(self, index: int) -> int:
        """Return how many slots an instruction takes."""
        return 2 if self.slots[index].code == LOAD_64 else 1

    def target(self, index: int) -> int | None:
        """Return the instruction that another one may jump to, calls, or takes the address of.

        None where there is none: the verifier will say so.
        """
        each = self.slots[index]
        kind = each.code & 7
        if (each.code, each.src_reg) in ((CALL, PSEUDO_CALL), (LOAD_64, PSEUDO_FUNC)):
            distance = each.imm
        elif kind not in (JMP, JMP32) or each.code in (CALL, EXIT) or each.code & 0xF0 == 0x80:
            return None
        else:
            distance = each.imm if each.code == JMP32 | _ALWAYS else each.off
        target = index + 1 + distance
        return target if target in self._following else None

    def successors(self, index: int) -> list[int]:
        """Return the instructions that may run after one, in the same function."""
        each = self.slots[index]
        if each.code == EXIT:
            return []
        next_one = self._following[index]
        following = [] if next_one is None else [next_one]
        if each.code & 7 not in (JMP, JMP32) or each.code & 0xF0 == 0x80:
            return following
        target = self.target(index)
        jump = [] if target is None else [target]
        return jump if each.code & 0xF0 == _ALWAYS else [*following, *jump]

    @property
    def helpers(self) -> set[int]:
        """The helpers that are called, whether or not the call can be reached."""
        return {each.imm for each in self.slots if (each.code, each.src_reg) == (CALL, 0)}

    @property
    def calls_kfuncs(self) -> bool:
        """Whether functions of the kernel are called that are no helpers."""
        return any((each.code, each.src_reg) == (CALL, _KFUNC) for each in self.slots)

    @cached_property
    def entries(self) -> list[int]:
        """The first instruction of each function."""
        inner = (
            self.target(index) for index in self.starts if self.slots[index].code in (CALL, LOAD_64)
        )
        return [0, *sorted({each for each in inner if each})] if self.starts else []

    @cached_property
    def held(self) -> dict[int, _Registers]:
        """What the registers hold before each instruction that can be reached."""
        nothing: _Registers = (None,) * _REGISTERS
        found: dict[int, _Registers] = {}
        todo = []
        for entry in self.entries:
            context = (None, CONTEXT if entry == 0 else None)
            found[entry] = (*context, *nothing[2:_STACK_REGISTER], STACK, *nothing[11:])
            todo.append(entry)
        while todo:
            index = todo.pop()
            after = self._after(index, found[index])
            for successor in self.successors(index):
                before = found.get(successor)
                merged = after if before is None else _merged(before, after)
                if merged != before:
                    found[successor] = merged
                    todo.append(successor)
        return found

    def _after(self, index: int, held: _Registers) -> _Registers:
        each = self.slots[index]
        value: str | None = None
        if each.code == LOAD_64:
            value = self._maps.get(index)
            if value is not None and each.src_reg == PSEUDO_MAP_VALUE:
                value = f"{_VALUE}{value}"
        elif each.code in (SET, SET_32):
            value = f"{_NUMBER}{each.imm}"
        elif each.code == _MOVE_64 and not each.off:
            value = held[each.src_reg]
        elif each.code & ~0x08 in (_ADD_64, _SUBTRACT_64) and _still(held[each.dst_reg]):
            value = held[each.dst_reg]
        changed = each.defined
        after = [None if changed >> number & 1 else old for number, old in enumerate(held)]
        if value is not None:
            after[each.dst_reg] = value
        elif (each.code, each.src_reg) == (CALL, 0) and each.imm in VALUES and _is_map(held[1]):
            after[0] = f"{_VALUE}{held[1]}"
        return tuple(after)

    @cached_property
    def live(self) -> dict[int, int]:
        """The registers that are still read when an instruction is to run, a bit for each."""
        found = dict.fromkeys(self.starts, 0)
        changed = True
        while changed:
            changed = False
            for index in reversed(self.starts):
                after = self.live_after(index, found)
                before = after & ~self.slots[index].defined | self.slots[index].used
                if before != found[index]:
                    found[index], changed = before, True
        return found

    def live_after(self, index: int, live: Mapping[int, int] | None = None) -> int:
        """Return the registers that are read after an instruction, a bit for each."""
        known = self.live if live is None else live
        result = 0
        for successor in self.successors(index):
            result |= known[successor]
        return result

    def stores(self) -> list[int]:
        """Return instructions that change memory other than the stack, one of each block."""
        found: dict[int, int] = {}
        for index in sorted(self.held):
            each = self.slots[index]
            if each.code & 7 in (ST, STX) and self.held[index][each.dst_reg] != STACK:
                found.setdefault(bisect(self._blocks, index), index)
        return list(found.values())

    @cached_property
    def _blocks(self) -> list[int]:
        """Where what runs as a whole begins."""
        jumps = (index for index in self.starts if len(self.successors(index)) != 1)
        after = {each for index in jumps for each in self.successors(index)}
        targets = (self.target(index) for index in self.starts)
        return sorted({0, *after, *(each for each in targets if each is not None)})

    def reached_before(self, stops: Collection[int]) -> set[int]:
        """Return the instructions that may run before any of some others has, these included.

        What the program did before it called one of its functions is not looked at.
        """
        found: set[int] = set()
        todo = self.entries.copy()
        while todo:
            index = todo.pop()
            if index not in found:
                found.add(index)
                todo += self.successors(index) if index not in stops else []
        return found

    def stored_in(self, index: int) -> str:
        """Return the map whose value a store changes; empty where that cannot be told."""
        held = self.held[index][self.slots[index].dst_reg] or ""
        return held.removeprefix(_VALUE) if held.startswith(_VALUE) else ""

    def map_in(self, index: int, argument: int) -> str:
        """Return the map that is an argument of a call; empty where that cannot be told."""
        held = self.held[index][argument] if argument else None
        return held if held is not None and _is_map(held) else ""

    def number_in(self, index: int, argument: int) -> int | None:
        """Return the number that is an argument of a call; None where that cannot be told."""
        held = self.held[index][argument] or ""
        return int(held.removeprefix(_NUMBER)) if held.startswith(_NUMBER) else None

    def context_read(self) -> tuple[int, int]:
        """Return where in its context the program reads last, and how many bytes; or zeros."""
        sizes = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
        found = (0, 0)
        for index, held in self.held.items():
            each = self.slots[index]
            if each.code & 7 == LDX and held[each.src_reg] == CONTEXT:
                found = max(found, (each.off, sizes[each.code & 0x18]), key=sum)
        return found


def _is_map(held: str | None) -> bool:
    return held is not None and not held.startswith("\0")


def _still(held: str | None) -> bool:
    """Whether an address with something added is still one of the same kind."""
    return held is not None and held.startswith((STACK, _VALUE))


def _merged(first: _Registers, second: _Registers) -> _Registers:
    return tuple(one if one == other else None for one, other in zip(first, second, strict=True))
