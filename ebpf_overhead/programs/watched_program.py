"""A program in the kernel whose runs and helpers are watched: see `watching`."""

from __future__ import annotations

import os
from collections.abc import Callable

from ebpf_overhead.bpf import maps
from ebpf_overhead.closing import Closing
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.program_object import Function
from ebpf_overhead.programs.watching import RESULTS, Count, Instrumented

# Loads a function with maps besides the program's own.
Load = Callable[[Function, dict[str, int], LoadedAs, str], LoadedProgram]


class WatchedProgram(Closing):
    """The copy of a program whose runs are counted and helpers watched, with what was seen.

    Parameters
    ----------
    instrumented : Instrumented
        Its instructions.
    load : callable
        Loads them with the program's maps.

    Raises
    ------
    OSError
        The kernel refused the array of results.
    """

    def __init__(self, instrumented: Instrumented, load: Load) -> None:
        self._instrumented, self._load = instrumented, load
        self._size = maps.Dimensions(maps.MapType.ARRAY, 4, instrumented.results_bytes, 1)
        self._results_fd = maps.create(self._size, "watched")

    def load(self, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        """Load it, as the program that it is a copy of is loaded."""
        more = {RESULTS: self._results_fd}
        return self._load(self._instrumented.function, more, loaded_as, what)

    def counts(self) -> list[Count]:
        """Return what was seen so far, a row for each place that is watched."""
        return self._instrumented.counts(self._results())

    def runs(self) -> int:
        """Return how often it ran so far, by one system call."""
        return self._instrumented.runs(self._results())

    def _results(self) -> bytes:
        return maps.lookup(self._results_fd, 0, self._size)

    def close(self) -> None:
        """Give the array back."""
        os.close(self._results_fd)
