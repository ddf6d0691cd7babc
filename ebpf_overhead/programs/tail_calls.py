"""Tail calls: which functions a program jumps to, and the program arrays that lead there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ebpf_overhead.bpf import maps
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.programs.program_object import Function


class Slot(NamedTuple):
    """A place in a program array, and what is there.

    Attributes
    ----------
    array : str
        Name of the map.
    key : int
        Index of the element.
    function : str
        What a tail call leads to.
    """

    array: str
    key: int
    function: str


def reached(
    functions: Mapping[str, Function], entry: str, slots: Iterable[Slot]
) -> dict[Slot, None]:
    """Return the slots that tail calls may lead to, of a function and of those that follow it.

    Parameters
    ----------
    functions : mapping of str to Function
        All that there are.
    entry : str
        The first.
    slots : iterable of Slot
        What is in program arrays.
    """
    found: dict[Slot, None] = {}
    waiting = [entry]
    while waiting:
        used = {each.name for each in functions[waiting.pop()].maps}
        more = [each for each in slots if each.array in used and each not in found]
        found.update(dict.fromkeys(more))
        waiting += [each.function for each in more]
    return found


def fill(
    arrays: Mapping[str, int], slots: Iterable[Slot], load: Callable[[str], LoadedProgram]
) -> None:
    """Load what belongs into program arrays, and put it there: the arrays keep it.

    Parameters
    ----------
    arrays : mapping of str to int
        Descriptors.
    slots : iterable of Slot
        What is to be in them.
    load : callable
        Loads a function with these arrays.

    Raises
    ------
    OverheadError
        The kernel refused it.
    """
    for array, key, function in slots:
        with load(function) as program:
            maps.put(arrays[array], key, struct.pack("=I", program.fd))
