"""A program in the kernel whose runs and helpers are watched: see `watching`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from ebpf_overhead.bpf import maps
from ebpf_overhead.closing import Closing
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.program_object import Function
from ebpf_overhead.programs.tail_calls import Slot, fill
from ebpf_overhead.programs.watching import RESULTS, Count, Instrumented

# Loads a function with maps besides the program's own.
Load = Callable[[Function, dict[str, int], LoadedAs, str], LoadedProgram]


class WatchedProgram(Closing):
    """The copy of a program whose runs are counted and helpers watched, with what was seen.

    Its tail calls lead to copies, which are watched as well.

    Parameters
    ----------
    instrumented : mapping of str to Instrumented
        The instructions of each function that a run may pass.
    entry : str
        The function that is attached.
    arrays : mapping of str to Dimensions
        The program arrays.
    slots : sequence of Slot
        What is in these.
    load : callable
        Loads instructions with the program's maps.

    Raises
    ------
    OSError
        The kernel refused an array.
    """

    def __init__(
        self,
        instrumented: Mapping[str, Instrumented],
        entry: str,
        arrays: Mapping[str, maps.Dimensions],
        slots: Sequence[Slot],
        load: Load,
    ) -> None:
        self._slots, self._load = slots, load
        with ExitStack() as opened:
            self._entry = _WatchedFunction(instrumented[entry], opened)
            # A run that begins is told from one that a tail call leads to.
            self._led_to = {
                name: _WatchedFunction(instrumented[name], opened)
                for name in dict.fromkeys(each.function for each in slots)
            }
            self._arrays = {name: _created(size, opened) for name, size in arrays.items()}
            self._opened = opened.pop_all()

    def load(self, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        """Load it, as the program that it is a copy of is loaded."""

        def load(results: _WatchedFunction) -> LoadedProgram:
            more = {**self._arrays, RESULTS: results.fd}
            return self._load(results.instrumented.function, more, loaded_as, what)

        fill(self._arrays, self._slots, lambda name: load(self._led_to[name]))
        return load(self._entry)

    def counts(self) -> list[Count]:
        """Return what was seen so far, a row for each place that is watched."""
        results = (self._entry, *self._led_to.values())
        return [count for each in results for count in each.instrumented.counts(each.read())]

    def runs(self) -> int:
        """Return how often it ran so far, by one system call."""
        return self._entry.instrumented.runs(self._entry.read())

    def close(self) -> None:
        """Give the arrays back."""
        self._opened.close()


class _WatchedFunction:
    """A function's instructions, and the array that they write to."""

    def __init__(self, instrumented: Instrumented, opened: ExitStack) -> None:
        self.instrumented = instrumented
        self._size = maps.Dimensions(maps.MapType.ARRAY, 4, instrumented.results_bytes, 1)
        self.fd = _created(self._size, opened)

    def read(self) -> bytes:
        return maps.lookup(self.fd, 0, self._size)


def _created(size: maps.Dimensions, opened: ExitStack) -> int:
    fd = maps.create(size, "watched")
    opened.callback(os.close, fd)
    return fd
