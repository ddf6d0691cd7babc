"""The same program with a record of how often it runs, and of what its helpers return.

A few instructions at its beginning count a run.  Behind each call of a helper that can fail stand
some more, which count calls and failures and keep the first errno, in an array of this process's
own.  They need no stack, and only registers that hold nothing there.  What the program does stays
as it is.  The copy runs when nothing is timed: it takes longer.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ebpf_overhead.bpf.helpers import (
    FLAGS_OF_STORAGE,
    HELPERS,
    TAIL_CALL,
    UNLESS_CREATING,
    Helper,
    Returns,
)
from ebpf_overhead.bpf.loading import Details
from ebpf_overhead.bpf.structures import LOAD_64, PSEUDO_MAP_VALUE
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.insn import CALL, JMP32, SET, Insn
from ebpf_overhead.programs.program_object import Function, Reference

# What the array of results is called among the maps of an instrumented function.
RESULTS = "\0results"
_FIRST = struct.Struct("=I")  # in struct bpf_func_info: a function's first instruction
_RECORD = struct.Struct("=QQq")
_FAILURES_AT, _ERRNO_AT = 8, 16
_FARTHEST = 1 << 15  # a jump's offset has 16 bits

# Codes of instructions, of include/uapi/linux/bpf.h; numbers and memory have 64 bits.
_COPY, _LEFT, _RIGHT_SIGNED = 0xBF, 0x67, 0xC7
_LOAD, _STORE, _PUT, _ATOMIC = 0x79, 0x7B, 0x7A, 0xDB
# Jumps: not equal, signed and greater, equal.
_UNLESS_EQUAL, _IF_GREATER, _IF_GREATER_32, _IF_EQUAL_32 = 0x55, 0x65, 0x66, 0x16


@dataclass(frozen=True)
class WatchedCall:
    """A place in a program that is watched.

    Attributes
    ----------
    instruction : int
        Its index in the program as it was compiled.
    helper : Helper or None
        What is called there; None for memory that is written.
    map : str
        Name of the map that it is called for; empty where there is none, or it cannot be told.
    first : bool
        Whether a run may come here before it has done any work.
    counted : bool
        Whether it is known how often it was passed; else only whether it was.
    """

    instruction: int
    helper: Helper | None
    map: str = ""
    first: bool = True
    counted: bool = True

    @property
    def works(self) -> bool:
        """Whether what is done here is seen outside of the program."""
        return self.helper is None or self.helper.works


@dataclass(frozen=True)
class Count:
    """What was seen at a site.

    Attributes
    ----------
    site : WatchedCall
        Where.
    calls, failures : int
        How often it was passed, and how often it failed.
    errno : int
        Of the first failure, or of one that had no room; 0 where the helper gives none.
    """

    site: WatchedCall
    calls: int
    failures: int
    errno: int


@dataclass(frozen=True)
class Instrumented:
    """A function whose runs are counted, and whose helpers are watched.

    Attributes
    ----------
    function : Function
        Its instructions; it has :data:`RESULTS` among its maps.
    sites : tuple of WatchedCall
        What is watched, in the order of the results.
    moved : dict of int to int
        The new index of each instruction.
    """

    function: Function
    sites: tuple[WatchedCall, ...]
    moved: dict[int, int]

    @property
    def results_bytes(self) -> int:
        """Size of the one element of the array of results."""
        return self._runs_at + _RECORD.size

    @property
    def _runs_at(self) -> int:
        # Behind the records of the sites.
        return len(self.sites) * _RECORD.size

    def runs(self, results: bytes) -> int:
        """Return how often it ran, from the array's element."""
        runs, *_ = _RECORD.unpack_from(results, self._runs_at)
        return int(runs)

    def counts(self, results: bytes) -> list[Count]:
        """Return what was seen at each site, from the array's element."""
        records = _RECORD.iter_unpack(results[: self._runs_at])
        return [
            Count(site, calls, failures, -errno)
            for site, (calls, failures, errno) in zip(self.sites, records, strict=True)
        ]


@cache
def code_of(function: Function) -> Code:
    """Return what can be told of a function's instructions."""
    return Code(function.code, {index: name for index, name, _ in function.maps})


def helper_calls(code: Code) -> Iterator[tuple[int, int]]:
    """Yield each call of a helper that can be reached: its instruction and the helper's number."""
    for index in sorted(code.held):
        each = code.slots[index]
        if each.code == CALL and each.src_reg == 0:
            yield index, each.imm


def sites_of(code: Code) -> list[WatchedCall]:
    """Return what there is to watch in a function, in the order of its instructions."""
    found = [WatchedCall(index, None, code.stored_in(index)) for index in code.stores()]
    for index, number in helper_calls(code):
        if (helper := _called(code, index, number)) is not None:
            found.append(WatchedCall(index, helper, code.map_in(index, helper.map_argument)))
    before_work = code.reached_before({site.instruction for site in found if site.works})
    found = [replace(site, first=site.instruction in before_work) for site in found]
    return sorted(found, key=lambda site: site.instruction)


def _called(code: Code, index: int, number: int) -> Helper | None:
    if number in UNLESS_CREATING and code.number_in(index, FLAGS_OF_STORAGE) == 0:
        return UNLESS_CREATING[number]
    return HELPERS.get(number)


def instrument(function: Function) -> Instrumented:
    """Return a function with its runs counted and its helpers watched, where there are any.

    Raises
    ------
    UnsupportedError
        The program is too long for jumps over what is added.
    """
    code = code_of(function)
    before: dict[int, list[Insn]] = {}
    after: dict[int, list[Insn]] = {}
    sites: list[WatchedCall] = []
    for site in sites_of(code):
        offset = len(sites) * _RECORD.size
        free = _free_after(code, site)
        if recording := _recording(site, offset, free):
            sites.append(replace(site, counted=len(free) > 1))
            after[site.instruction] = recording
            if site.helper is HELPERS[TAIL_CALL]:
                # It has three arguments: the fourth and fifth register are free.
                before[site.instruction] = _counting(offset, 4, 5)
    # Only the first register has something in it when a program begins.
    start = _counting(len(sites) * _RECORD.size, 4, 5)
    return _assembled(function, code, sites, start, before, after)


def _place(offset: int, register: int) -> list[Insn]:
    """Load the address of a record of results."""
    return [Insn(LOAD_64, register, PSEUDO_MAP_VALUE), Insn(0, imm=offset)]


def _counting(offset: int, register: int, one: int) -> list[Insn]:
    """Count a call, or a run, in a record; its address and 1 are in the registers then."""
    return [*_place(offset, register), Insn(SET, one, imm=1), Insn(_ATOMIC, register, one)]


def _free_after(code: Code, site: WatchedCall) -> list[int]:
    """Return the registers that hold nothing behind a site."""
    if site.helper is not None:
        return [1, 2, 3, 4, 5]  # A call leaves nothing in them.
    live = code.live_after(site.instruction)
    return [number for number in range(10) if not live >> number & 1]


def _recording(site: WatchedCall, offset: int, free: Sequence[int]) -> list[Insn]:
    """Return the instructions that record what comes of a site."""
    if site.helper is None:
        if len(free) > 1:
            return _counting(offset, *free[:2])
        # Where all registers are in use, other places of the program tell.
        return [*_place(offset, free[0]), Insn(_PUT, free[0], imm=1)] if free else []
    failed = Insn(_ATOMIC, 1, 2, _FAILURES_AT)
    if site.helper is HELPERS[TAIL_CALL]:
        # It does not return where it succeeds: what follows it is the failure.
        return [*_place(offset, 1), Insn(SET, 2, imm=1), failed]
    if site.helper.returns is Returns.POINTER:
        return [*_counting(offset, 1, 2), Insn(_UNLESS_EQUAL, 0, off=1), failed]
    # Before Linux 6.4 the upper half of r0 may be anything where the JIT calls a map's own
    # function, which returned an int (d7ba4cc900bf): the lower half says it.
    wide = site.helper.returns is Returns.VALUE
    return [
        *_counting(offset, 1, 2),
        Insn(_IF_GREATER if wide else _IF_GREATER_32, 0, off=9, imm=-1),  # to the end
        failed,
        # The first errno is kept, or that there was no room: others may have come before it.
        Insn(_IF_EQUAL_32, 0, off=3, imm=-errno.E2BIG),
        Insn(_IF_EQUAL_32, 0, off=2, imm=-errno.ENOSPC),
        Insn(_LOAD, 3, 1, _ERRNO_AT),
        Insn(_UNLESS_EQUAL, 3, off=4),  # to the end
        Insn(_COPY, 3, 0),
        Insn(_LEFT, 3, imm=32),
        Insn(_RIGHT_SIGNED, 3, imm=32),
        Insn(_STORE, 1, 3, _ERRNO_AT),
    ]


def _assembled(
    function: Function,
    code: Code,
    sites: list[WatchedCall],
    start: list[Insn],
    before: dict[int, list[Insn]],
    after: dict[int, list[Insn]],
) -> Instrumented:
    """Put what is added into its places, and have jumps lead where they led."""
    entered, moved, position = {}, {}, len(start)
    for index in code.starts:
        entered[index] = position
        moved[index] = position + len(before.get(index, ()))
        position = moved[index] + code.size(index) + len(after.get(index, ()))
    made = start.copy()
    for index in code.starts:
        first, *second = code.slots[index : index + code.size(index)]
        target = code.target(index)
        if target is not None:
            first = _redirected(first, entered[target] - moved[index] - 1)
        made += [*before.get(index, ()), first, *second, *after.get(index, ())]
    own = set(moved.values())
    added = (
        Reference(index, RESULTS)
        for index, each in enumerate(made)
        if (each.code, each.src_reg) == (LOAD_64, PSEUDO_MAP_VALUE) and index not in own
    )
    watched = Function(
        b"".join(map(bytes, made)),
        (*_moved(function.maps, moved), *added),
        tuple(_moved(function.constants, moved)),
        _moved_details(function.details, entered),
    )
    return Instrumented(watched, tuple(sites), moved)


def _moved_details(details: Details, entered: Mapping[int, int]) -> Details:
    """Return what the kernel is told of functions where they are now, and of no lines."""
    rows = bytearray(details.functions)
    for at in range(0, len(rows), details.function_bytes):
        (first,) = _FIRST.unpack_from(rows, at)
        if first:  # the program itself begins where it began
            _FIRST.pack_into(rows, at, entered.get(first, first))
    return replace(details, functions=bytes(rows), lines=b"")


def _moved(references: Iterable[Reference], moved: Mapping[int, int]) -> Iterator[Reference]:
    return (each._replace(instruction=moved[each.instruction]) for each in references)


def _redirected(each: Insn, distance: int) -> Insn:
    """Return a jump, a call or an address that leads where its target is now."""
    if each.code in (CALL, LOAD_64, JMP32):
        return each._replace(imm=distance)
    if -_FARTHEST <= distance < _FARTHEST:
        return each._replace(off=distance)
    raise UnsupportedError("the program is too long to have its helpers watched")
