"""Many CPUs calling at once: what a probe costs then, and how much throughput is left.

A round measures every number of CPUs, with the probe and without, in random order.  The
differences and ratios of all rounds give the estimates and their intervals.

What it costs to share a cache line depends on where the CPUs are, which in a virtual machine
changes without notice.  So the cases take turns, a round each, and all of them see the same.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import numpy.typing as npt

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.hooks.probe_group import ProbeGroup
from ebpf_overhead.measure import watch
from ebpf_overhead.measure.caller_counter import CallerCounter, open_caller_counter
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run_count_check import Hits, count_hits
from ebpf_overhead.measure.sampling import calibrate
from ebpf_overhead.measure.stats import interval, quartiles
from ebpf_overhead.phases import phase
from ebpf_overhead.studies.scaling.cases import SHARING, choose_counts, require, select
from ebpf_overhead.studies.scaling.result import Half, Point, Scaling
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID

__all__ = ["SHARING", "Point", "Scaling", "choose_counts", "measure", "require", "select"]

_WINDOWS = 16
_ROUNDS_MIN, _ROUNDS_MAX = 10, 2_000
# Where most rounds lose something, it takes so many times as long at most.
_PATIENCE = 10
_PROOF_CALLS = 1_000
# Of 24 bytes each, an eighth of what the ring buffer holds: a CPU that another process takes
# away for milliseconds lets the others go on writing.
_RECORDS_MAX = 20_000


def measure(
    cases: Iterable[Case],
    counts: Sequence[int],
    sampling: Sampling,
    progress: Callable[[Case, float], None] = lambda case, share: None,
) -> Iterator[Scaling]:
    """Measure cases of one attach type; ``sampling`` gives time, seed and nothing else.

    They are measured in turns.  ``progress`` is called with a case and the share of it that is
    done, 0..1, as if they were measured one after the other.

    Yields
    ------
    Scaling
        One a case, in order; never an exception for what this kernel cannot do.
    """
    cases = list(cases)
    lot = random.Random(sampling.seed)
    results: dict[int, Scaling] = {}
    with ExitStack() as stack:
        caller_counter = open_caller_counter(GETPID, cases[0].attach.at_exit, whole_process=True)
        if caller_counter is not None:
            stack.callback(caller_counter.close)
        sessions: dict[int, _CpuCounts] = {}
        for number, case in enumerate(cases):
            try:
                sessions[number] = stack.enter_context(
                    _session(case, counts, sampling, caller_counter, lot)
                )
            except OverheadError as error:
                results[number] = Scaling.of_error(case, error)
        while going := [number for number in sessions if number not in results]:
            for number in lot.sample(going, len(going)):
                try:
                    if sessions[number].round_and_done():
                        results[number] = sessions[number].result()
                except OverheadError as error:
                    sessions[number].probe.detach()  # others have their turn
                    results[number] = Scaling.of_error(cases[number], error)
                shares = [1.0 if n in results else sessions[n].share for n in range(len(cases))]
                place = min(int(sum(shares)), len(cases) - 1)
                progress(cases[place], sum(shares) - place)
    yield from (results[number] for number in range(len(cases)))


@contextmanager
def _session(
    case: Case,
    counts: Sequence[int],
    sampling: Sampling,
    caller_counter: CallerCounter | None,
    lot: random.Random,
) -> Iterator[_CpuCounts]:
    """Load a case and see that it runs; it is not attached when others have their turn."""
    with phase("load"):
        loaded = load(case)
    with loaded as probe, _CpuCounts(probe, counts, sampling, caller_counter, lot) as session:
        session.begin()
        yield session


class _CpuCounts(Closing):
    """The measurement of one loaded probe."""

    def __init__(
        self,
        probe: Probe,
        counts: Sequence[int],
        sampling: Sampling,
        caller_counter: CallerCounter | None,
        lot: random.Random,
    ) -> None:
        self.probe = probe
        self.workload = probe.case.workload.name
        # The last ones, as where one CPU is measured.
        allowed = sorted(os.sched_getaffinity(0))
        self.cpus = {count: allowed[-count:] for count in counts}
        self.sampling = sampling
        self.caller_counter = caller_counter
        self.random = lot
        # Emptied between windows: no CPU is left for a consumer, whose cost is so left out.
        self.event_buffers = probe.compiled.event_buffers()
        self.rounds: list[dict[tuple[bool, int], Half]] = []
        self.discarded, self.elapsed_s = 0, 0.0

    @property
    def share(self) -> float:
        """Which share of its time is over, less than 1."""
        return min(self.elapsed_s / self.sampling.time_s, 0.99)

    def begin(self) -> None:
        """See that the program runs."""
        self.probe.compiled.clear()
        self.calls = calibrate(self.workload, self.cpus[1][0])
        self.hits = self._prove()
        self.earlier = watch.before(ProbeGroup(self.probe))

    def result(self) -> Scaling:
        """See that it runs still, and return what all rounds say."""
        self.hits += self._prove()
        case, lost = self.probe.case, self.probe.compiled.lost_updates()
        if len(self.rounds) < _ROUNDS_MIN:
            raise FailedError(
                f"{case.name} lost {lost} updates, in all but {len(self.rounds)} rounds",
                "measure on fewer CPUs, or when the machine does less",
            )
        self._look()
        return Scaling(
            case,
            "measured",
            hook=self.probe.hook,
            hits=self.hits,
            lost_updates=lost,
            rounds=len(self.rounds),
            discarded_rounds=self.discarded,
            points=tuple(map(self._point, self.cpus)),
        )

    def _look(self) -> None:
        """Raise FailedError unless the program does its work, on one CPU and with room for it."""
        self._drain()
        calls = min(self.calls, _RECORDS_MAX)

        def call() -> None:
            _workload.run_together(self.workload, calls, 1, self.cpus[1], keep_busy=False)

        judged = watch.look(
            ProbeGroup(self.probe), self.earlier, call, calls=calls, counts_itself=False
        )
        judged.check(self.probe.case.name, "give the map more entries")

    def _prove(self) -> Hits:
        cpus = self.cpus[max(self.cpus)]

        def call(calls: int) -> None:
            each = calls // len(cpus)
            _workload.run_together(self.workload, each, 1, cpus, keep_busy=False)

        with phase("prove"):
            self._drain()
            self.probe.attach()
            hits = count_hits(self.probe, _PROOF_CALLS * len(cpus), call, self.caller_counter)
            self.probe.detach()
        hits.check(self.probe.case.name)
        return hits

    def round_and_done(self) -> bool:
        """Measure a round, and tell whether there are enough."""
        start = time.monotonic()
        lost = self.probe.compiled.lost_updates()
        found = self._round()
        if self.probe.compiled.lost_updates() == lost:
            self.rounds.append(found)
        else:
            self.discarded += 1
        self.elapsed_s += time.monotonic() - start
        made = len(self.rounds) + self.discarded
        enough = made >= _ROUNDS_MIN and (
            len(self.rounds) >= _ROUNDS_MIN or self.elapsed_s >= _PATIENCE * self.sampling.time_s
        )
        return made >= _ROUNDS_MAX or (self.elapsed_s >= self.sampling.time_s and enough)

    def _round(self) -> dict[tuple[bool, int], Half]:
        found = {}
        first = self.random.random() < 0.5
        for attached in (first, not first):
            with phase("switch"):
                self.probe.switch(attached)
            for count in self.random.sample(list(self.cpus), len(self.cpus)):
                found[attached, count] = self._half(count)
        with phase("switch"):
            self.probe.detach()
        return found

    def _half(self, count: int) -> Half:
        windows = _WINDOWS
        if self.event_buffers is not None:
            windows = max(min(_WINDOWS, _RECORDS_MAX // (self.calls * count)), 2)
        parts: list[npt.NDArray[np.float64]] = []
        while sum(part.shape[1] for part in parts) < _WINDOWS // 2:
            self._drain()
            with phase("sample"):
                elapsed_ns, _, _ = _workload.run_together(
                    self.workload, self.calls, windows, self.cpus[count]
                )
            # The first window warms up and does not count.
            parts.append(np.array(elapsed_ns)[:, 1:])
        per_call_ns = np.hstack(parts) / self.calls
        return Half(
            float(np.median(per_call_ns.mean(axis=0))),
            float(np.median((1e9 / per_call_ns).sum(axis=0))),
        )

    def _drain(self) -> None:
        if self.event_buffers is not None:
            self.event_buffers.drain()

    def close(self) -> None:
        """Give back what the session opened."""
        if self.event_buffers is not None:
            self.event_buffers.close()

    def _point(self, count: int) -> Point:
        def seen(quantity: str, attached: bool, cpus: int = count) -> npt.NDArray[np.float64]:
            return np.array([getattr(each[attached, cpus], quantity) for each in self.rounds])

        baseline, probed = (seen("per_call_ns", attached) for attached in (False, True))
        before, after = (seen("calls_per_s", attached) for attached in (False, True))
        return Point(
            tuple(self.cpus[count]),
            quartiles(baseline),
            quartiles(probed),
            interval(probed - baseline),
            interval(before),
            interval(after),
            interval(before / (count * seen("calls_per_s", False, 1))),
            interval(after / (count * seen("calls_per_s", True, 1))),
        )
