"""Loading, attaching and detaching, again and again, while somebody calls.

A round loads the program once more, attaches it, detaches it, and attaches it again at once;
in between there is time for what the kernel puts off.  As much time as each of them took
passes with nothing being done, too: what gaps there are then is the control.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, Case, select
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.caller_counter import CallerCounter, open_caller_counter
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.run_count_check import Hits, prove
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.studies.attach_latency.stopwatch import SETTLE_S, Stopwatch, Timings
from ebpf_overhead.workload import _workload

OPERATIONS = ("load", "attach", "detach", "reattach")


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
    count : int or None
        To how many points the program was attached; None for the workload's alone, again and again.
    one_link : bool or None
        Whether one link kept it attached to all of them.
    """

    hook: str | None = None
    hits: Hits | None = None
    timings: dict[str, Timings] = field(default_factory=dict)
    count: int | None = None
    one_link: bool | None = None


def choose(attach: Iterable[str] = (), program: str = "simple") -> list[Case]:
    """Return a case per attach type, all by default: each with the first of its workloads."""
    first: dict[str, Case] = {}
    for case in select(list(attach) or list(ATTACH_TYPES), [program]):
        first.setdefault(case.attach.name, case)
    return list(first.values())


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
        self.stopwatch = Stopwatch(OPERATIONS)

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
        return Latencies(
            case, "measured", hook=self.probe.hook, hits=hits, timings=self.stopwatch.timings
        )

    def _prove(self, caller_counter: CallerCounter | None) -> Hits:
        hits = prove(self.probe, self._call, caller_counter)
        self.probe.detach()
        return hits

    def _call(self, calls: int) -> None:
        _workload.run(self.probe.case.workload.name, calls)

    def _all_rounds(self) -> None:
        with self.stopwatch.watching(self.probe.case.workload):
            for number in range(self.rounds):
                self._round()
                self.progress(self.probe.case, (number + 1) / self.rounds)

    def _round(self) -> None:
        time.sleep(SETTLE_S)
        loaded: list[LoadedProgram] = []
        self.stopwatch.time("load", lambda: loaded.append(self.probe.load_again()))
        loaded.pop().close()
        self.stopwatch.control("load")
        self.stopwatch.time("attach", self.probe.attach)
        self.stopwatch.control("attach")
        time.sleep(SETTLE_S)
        self.stopwatch.time("detach", self.probe.detach)
        self.stopwatch.time("reattach", self.probe.attach)
        self.stopwatch.control("detach")
        self.stopwatch.control("reattach")
        time.sleep(SETTLE_S)
        self.probe.detach()
