"""Windows of several workloads that take turns, for some time: one value for each of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.measure.sampling import HalfBlock, long_half_block_of
from ebpf_overhead.measure.stats import median
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.workloads import Workload, require

_T = TypeVar("_T")
# Has a thread do some work, and returns the result.
Turn = Callable[[Callable[[], _T]], _T]

# Measured where none is named: what most software does, from cheap to expensive.
DEFAULT = (
    "getpid",
    "read",
    "openat_close",
    "file_write",
    "mmap_touch_munmap",
    "pipe_pingpong",
    "tcp_request",
    "tcp_connect",
    "thread_create",
    "exec",
)
# Short windows of a turn; the first one warms up and does not count.
_WINDOWS = 3
_TURNS_MIN = 3


@dataclass(frozen=True)
class Segment:
    """Workloads while nothing was started or stopped.

    Attributes
    ----------
    at_s : float
        Its middle, by the monotonic clock.
    per_call : dict of str to float
        Median of the windows of each workload, in ns per call.
    """

    at_s: float
    per_call: dict[str, float]


class WorkloadTurns:
    """Workloads that can be called here, with the length of their windows.

    Parameters
    ----------
    workloads : sequence of Workload
        What is to be called.
    cpu : int
        Where.
    generator : random.Random
        Chooses the order of each turn.

    Attributes
    ----------
    calls : dict of str to int
        Calls in a window of each workload that can be called.
    unsupported : dict of str to UnsupportedError
        Why others cannot.
    """

    def __init__(self, workloads: Sequence[Workload], cpu: int, generator: random.Random) -> None:
        self.cpu = cpu
        self._generator = generator
        self._halves: dict[str, HalfBlock] = {}
        self.unsupported: dict[str, UnsupportedError] = {}
        for each in workloads:
            try:
                require(each)
            except UnsupportedError as error:
                self.unsupported[each.name] = error
            else:
                self._halves[each.name] = long_half_block_of(each.name, cpu)
        self.calls = {name: half.calls for name, half in self._halves.items()}

    def segment(
        self,
        seconds: float,
        turn: Turn[tuple[list[int], int]],
        between: Callable[[], None] = lambda: None,
    ) -> Segment:
        """Call all workloads in turns.

        Parameters
        ----------
        seconds : float
            For so long, and some times at least.
        turn : callable
            Has a thread do it.
        between : callable, optional
            Called between windows.
        """
        found: dict[str, list[float]] = {name: [] for name in self.calls}
        began_s = time.monotonic()
        turns = 0
        while turns < _TURNS_MIN or time.monotonic() < began_s + seconds:
            for name in self._generator.sample(list(found), len(found)):
                found[name] += self._windows(name, turn)
                between()
            turns += 1
        middle_s = (began_s + time.monotonic()) / 2
        return Segment(middle_s, {name: median(each) for name, each in found.items()})

    def _windows(self, name: str, turn: Turn[tuple[list[int], int]]) -> list[float]:
        """Return what a call takes in each window of a turn."""
        calls, source = self.calls[name], clock.current().source
        count, warming = (1, 0) if self._halves[name].is_long else (_WINDOWS, 1)
        elapsed_ns, _ = turn(
            partial(_workload.run, name, calls, windows=count, cpu=self.cpu, **source)
        )
        return [each / calls for each in elapsed_ns[warming:]]
