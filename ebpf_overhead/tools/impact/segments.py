"""Windows of several workloads that take turns, for some time: one value for each of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.measure.sampling import calibrate
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
# The first window of a turn warms up and does not count.
_WINDOWS = 3
_TURNS_MIN = 5


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
        self.calls: dict[str, int] = {}
        self.unsupported: dict[str, UnsupportedError] = {}
        for each in workloads:
            try:
                require(each)
            except UnsupportedError as error:
                self.unsupported[each.name] = error
            else:
                self.calls[each.name] = calibrate(each.name, cpu)

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
        source = clock.current().source
        found: dict[str, list[float]] = {name: [] for name in self.calls}
        began_s = time.monotonic()
        turns = 0
        while turns < _TURNS_MIN or time.monotonic() < began_s + seconds:
            for name in self._generator.sample(list(found), len(found)):
                calls = self.calls[name]
                run = partial(_workload.run, name, calls, windows=_WINDOWS, cpu=self.cpu, **source)
                elapsed_ns, _ = turn(run)
                found[name] += [each / calls for each in elapsed_ns[1:]]
                between()
            turns += 1
        middle_s = (began_s + time.monotonic()) / 2
        return Segment(middle_s, {name: median(values) for name, values in found.items()})
