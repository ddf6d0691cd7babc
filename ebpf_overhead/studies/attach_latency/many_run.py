"""Loading a program, attaching it to many points, and detaching it, while somebody calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.run_count_check import Hits, prove_with_counter
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.studies.attach_latency.many_hooks import ManyHooks, points
from ebpf_overhead.studies.attach_latency.run import Latencies
from ebpf_overhead.studies.attach_latency.stopwatch import SETTLE_S, Stopwatch
from ebpf_overhead.workload import _workload

OPERATIONS = ("load", "attach", "detach")
# Two show whether an operation takes the same again; to detach from 1,000 points may take minutes.
ROUNDS_MIN = 2


@dataclass(frozen=True)
class ManyCase:
    """A case whose program is attached to many points.

    Attributes
    ----------
    case : Case
        The workload, the attach type and the program.
    count : int
        To how many points.
    one_link : bool
        Whether one link keeps it attached to all of them.
    """

    case: Case
    count: int
    one_link: bool

    @property
    def name(self) -> str:
        """Name for people: ``getpid/kprobe_multi/simple at 100 points, one link``."""
        return f"{self.case.name} at {self.count:,} points{', one link' * self.one_link}"


def choose(cases: Iterable[Case], counts: Sequence[int]) -> list[ManyCase]:
    """Return each case at each count: a hook a point, and one link where there are such."""
    return [
        ManyCase(case, count, one_link)
        for case in cases
        for one_link in (False, True)[: 1 + (case.attach.open_many is not None)]
        for count in counts
    ]


def measure(
    cases: Iterable[ManyCase],
    rounds: int,
    time_s: float,
    progress: Callable[[ManyCase, float], None] = lambda case, share: None,
) -> Iterator[Latencies]:
    """Measure cases one after the other.

    Parameters
    ----------
    cases : iterable of ManyCase
        What to measure.
    rounds : int
        How often each operation is made.
    time_s : float
        No round begins later than this after the first one, in seconds, when there are two.
    progress : callable, optional
        Called with a case and its share done.

    Yields
    ------
    Latencies
        One a case, in order; never an exception for what this kernel cannot do.
    """
    for many in cases:
        try:
            with load(many.case) as probe:
                hits = _proven(probe)
                found = _timed(probe, many, rounds, time_s, progress)
            result = Latencies(many.case, "measured", None, None, probe.hook, hits, found.timings)
        except OverheadError as error:
            result = Latencies.of_error(many.case, error)
        yield replace(result, count=many.count, one_link=many.one_link)
        progress(many, 1.0)


def _proven(probe: Probe) -> Hits:
    """See that the program runs for every call, attached to the workload's point alone."""
    case = probe.case

    def call(calls: int) -> None:
        _workload.run(case.workload.name, calls)

    try:
        return prove_with_counter(probe, call)
    finally:
        probe.detach()


def _timed(
    probe: Probe,
    many: ManyCase,
    rounds: int,
    time_s: float,
    progress: Callable[[ManyCase, float], None],
) -> Stopwatch:
    stopwatch = Stopwatch(OPERATIONS, machine=True)
    began_s, done = time.monotonic(), 0
    with (
        ManyHooks(probe, points(probe, many.count), many.one_link) as hooks,
        stopwatch.watching(many.case.workload),
    ):
        while done < rounds and (done < ROUNDS_MIN or time.monotonic() - began_s < time_s):
            _round(hooks, stopwatch)
            done += 1
            progress(many, done / rounds)
    return stopwatch


def _round(hooks: ManyHooks, stopwatch: Stopwatch) -> None:
    time.sleep(SETTLE_S)
    loaded: list[LoadedProgram] = []
    stopwatch.time("load", lambda: loaded.extend(hooks.load_again()))
    for each in loaded:
        each.close()
    stopwatch.control("load")
    stopwatch.time("attach", hooks.attach)
    stopwatch.control("attach")
    hooks.check()
    time.sleep(SETTLE_S)
    stopwatch.time("detach", hooks.detach)
    stopwatch.control("detach")
