"""Timing operations, while somebody calls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.workload import clock
from ebpf_overhead.workload.watch import GapWatch, watching
from ebpf_overhead.workload.workloads import Workload

# Long against a grace period of RCU, which detaching starts and attaching may wait for.
SETTLE_S = 0.05
# Sleeping overshoots by about 0.1 ms.
_SPIN_S = 0.002
# What the longest gap of an operation that takes minutes is compared with takes no longer.
_CONTROL_MAX_NS = 5_000_000_000
# To sleep makes the kernel account for what this thread ran.
_NAP_S = 1e-4


@dataclass
class Timings:
    """What an operation took in each round.

    Attributes
    ----------
    elapsed_ns : list of int
        From its beginning to its end, by the machine's clock.
    cpu : list of int
        Of it, running on a CPU, in this thread; in instructions where the clock counts them.
    gaps_ns, control_ns : list of int
        Longest gap between two calls meanwhile, and in as long a time without the operation;
        empty where nobody called.
    machine : list of int, optional
        Of ``elapsed_ns``, running on a CPU, in any thread, in instructions; where the clock counts
        them, and that was asked for.
    """

    elapsed_ns: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    gaps_ns: list[int] = field(default_factory=list)
    control_ns: list[int] = field(default_factory=list)
    machine: list[int] | None = field(default=None, kw_only=True)


def why_no_gaps() -> str | None:
    """Return why gaps cannot be seen on this machine; None where they can."""
    if clock.current() is clock.ICOUNT:
        return "one CPU under icount: who calls has to wait for who attaches in any case"
    if len(os.sched_getaffinity(0)) < 2:
        return "one CPU only: who calls has to wait for who attaches in any case"
    return None


class Stopwatch:
    """What operations take, each again and again.

    Parameters
    ----------
    operations : iterable of str
        Their names.
    machine : bool
        Whether to time what other threads run meanwhile, where the clock counts instructions.

    Attributes
    ----------
    timings : dict of str to Timings
        By operation.
    """

    def __init__(self, operations: Iterable[str], *, machine: bool = False) -> None:
        self.timings = {name: Timings() for name in operations}
        self._machine = machine and clock.current() is clock.ICOUNT
        self._watch: GapWatch | None = None

    @contextmanager
    def watching(self, workload: Workload) -> Iterator[None]:
        """Have a workload called while the block runs, where gaps can be seen."""
        # The last CPU, as where calls are measured; this thread keeps to the others.
        cpu = max(os.sched_getaffinity(0))
        with nullcontext() if why_no_gaps() else watching(workload.name, cpu) as self._watch:
            yield
        self._watch = None

    def time(self, name: str, operation: Callable[[], None]) -> None:
        """Time an operation."""
        timings = self.timings[name]
        others_before = _run_by_others() if self._machine else 0
        self._gap()
        began_ns, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
        operation()
        cpu, elapsed_ns = time.thread_time_ns() - began_cpu, time.perf_counter_ns() - began_ns
        timings.elapsed_ns.append(elapsed_ns)
        timings.cpu.append(cpu)
        if self._watch is not None:
            timings.gaps_ns.append(self._gap())
        if self._machine:
            others = _run_by_others() - others_before
            timings.machine = [*(timings.machine or ()), cpu + max(others, 0)]

    def control(self, name: str) -> None:
        """Let as much time pass as an operation took just now, with nothing being done."""
        if self._watch is not None:
            self._gap()
            _pass_time(min(self.timings[name].elapsed_ns[-1], _CONTROL_MAX_NS))
            self.timings[name].control_ns.append(self._gap())

    def _gap(self) -> int:
        return 0 if self._watch is None else self._watch.close_span()


def _run_by_others() -> int:
    """Return what other threads than this one have run on the only CPU, by the machine's clock.

    The seventh number of a CPU in /proc/schedstat is what all have run there
    (Documentation/scheduler/sched-stats.rst).
    """
    time.sleep(_NAP_S)
    own = time.thread_time_ns()
    lines = Path("/proc/schedstat").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("cpu0 ")).split()[7]) - own


def _pass_time(elapsed_ns: int) -> None:
    end_s = time.perf_counter() + elapsed_ns / 1e9
    if elapsed_ns > 1e9 * _SPIN_S:
        time.sleep(elapsed_ns / 1e9 - _SPIN_S / 2)
    while time.perf_counter() < end_s:
        pass
