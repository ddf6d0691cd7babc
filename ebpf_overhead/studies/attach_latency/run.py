"""Loading, attaching and detaching, again and again, while somebody calls.

A round loads the program once more, attaches it, detaches it, and attaches it again at once;
in between there is time for what the kernel puts off.  As much time as each of them took
passes with nothing being done, too: what gaps there are then is the control.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, Case, select
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.caller_counter import CallerCounter, open_caller_counter
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.run_count_check import Hits, prove
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.watch import GapWatch, watching

OPERATIONS = ("load", "attach", "detach", "reattach")
# Long against a grace period of RCU, which detaching starts and attaching may wait for.
_SETTLE_S = 0.05
# Sleeping overshoots by about 0.1 ms.
_SPIN_S = 0.002


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
    """

    elapsed_ns: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    gaps_ns: list[int] = field(default_factory=list)
    control_ns: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Latencies(Outcome):
    """What was found for an attach type, or the reason why not: see `Outcome`.

    Attributes
    ----------
    hook : str or None
        What the program was attached to.
    hits : Hits or None
        Runs counted before and after.
    timings : dict of str to Timings
        By operation, of :data:`OPERATIONS`.
    """

    hook: str | None = None
    hits: Hits | None = None
    timings: dict[str, Timings] = field(default_factory=dict)


def choose(attach: Iterable[str] = (), program: str = "simple") -> list[Case]:
    """Return a case per attach type, all by default: each with the first of its workloads."""
    first: dict[str, Case] = {}
    for case in select(list(attach) or list(ATTACH_TYPES), [program]):
        first.setdefault(case.attach.name, case)
    return list(first.values())


def why_no_gaps() -> str | None:
    """Return why gaps cannot be seen on this machine; None where they can."""
    if clock.current() is clock.ICOUNT:
        return "one CPU under icount: who calls has to wait for who attaches in any case"
    if len(os.sched_getaffinity(0)) < 2:
        return "one CPU only: who calls has to wait for who attaches in any case"
    return None


def measure(
    cases: Iterable[Case],
    rounds: int,
    progress: Callable[[Case, float], None] = lambda case, share: None,
) -> Iterator[Latencies]:
    """Measure cases one after the other.

    Yields
    ------
    Latencies
        One a case, in order; never an exception for what this kernel cannot do.
    """
    for case in cases:
        try:
            with load(case) as probe:
                session = _Rounds(probe, rounds, progress)
                yield session.measure()
        except OverheadError as error:
            yield Latencies.of_error(case, error)
        progress(case, 1.0)


class _Rounds:
    """The measurement of one loaded probe."""

    def __init__(self, probe: Probe, rounds: int, progress: Callable[[Case, float], None]) -> None:
        self.probe = probe
        self.rounds = rounds
        self.progress = progress
        self.timings = {name: Timings() for name in OPERATIONS}
        self.watch: GapWatch | None = None

    def measure(self) -> Latencies:
        case = self.probe.case
        caller_counter = open_caller_counter(case.workload, case.attach.at_exit)
        try:
            hits = self._prove(caller_counter)
            self._all_rounds()
            hits += self._prove(caller_counter)
        finally:
            if caller_counter is not None:
                caller_counter.close()
        return Latencies(case, "measured", hook=self.probe.hook, hits=hits, timings=self.timings)

    def _prove(self, caller_counter: CallerCounter | None) -> Hits:
        hits = prove(self.probe, self._call, caller_counter)
        self.probe.detach()
        return hits

    def _call(self, calls: int) -> None:
        _workload.run(self.probe.case.workload.name, calls)

    def _all_rounds(self) -> None:
        target = self.probe.case.workload.name
        # The last CPU, as where calls are measured; this thread keeps to the others.
        cpu = max(os.sched_getaffinity(0))
        with nullcontext() if why_no_gaps() else watching(target, cpu) as self.watch:
            for number in range(self.rounds):
                self._round()
                self.progress(self.probe.case, (number + 1) / self.rounds)
        self.watch = None

    def _round(self) -> None:
        time.sleep(_SETTLE_S)
        loaded: list[LoadedProgram] = []
        self._time("load", lambda: loaded.append(self.probe.load_again()))
        loaded.pop().close()
        self._control("load")
        self._time("attach", self.probe.attach)
        self._control("attach")
        time.sleep(_SETTLE_S)
        self._time("detach", self.probe.detach)
        self._time("reattach", self.probe.attach)
        self._control("detach")
        self._control("reattach")
        time.sleep(_SETTLE_S)
        self.probe.detach()

    def _time(self, name: str, operation: Callable[[], None]) -> None:
        timings = self.timings[name]
        self._gap()
        began_ns, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
        operation()
        cpu, elapsed_ns = time.thread_time_ns() - began_cpu, time.perf_counter_ns() - began_ns
        timings.elapsed_ns.append(elapsed_ns)
        timings.cpu.append(cpu)
        if self.watch is not None:
            timings.gaps_ns.append(self._gap())

    def _control(self, name: str) -> None:
        """Let as much time pass as an operation took just now, with nothing being done."""
        if self.watch is not None:
            self._gap()
            _pass_time(self.timings[name].elapsed_ns[-1])
            self.timings[name].control_ns.append(self._gap())

    def _gap(self) -> int:
        return 0 if self.watch is None else self.watch.close_span()


def _pass_time(elapsed_ns: int) -> None:
    end_s = time.perf_counter() + elapsed_ns / 1e9
    if elapsed_ns > 1e9 * _SPIN_S:
        time.sleep(elapsed_ns / 1e9 - _SPIN_S / 2)
    while time.perf_counter() < end_s:
        pass
