"""Many CPUs calling at once: what a probe costs then, and how much throughput is left.

A round measures every number of CPUs, with the probe and without, in an order drawn by
lot.  The differences and ratios of all rounds give the estimates and their intervals.

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

from ebpf_overhead import _workload
from ebpf_overhead.attach import Probe, load
from ebpf_overhead.cases import GETPID, Case
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.measure import Options
from ebpf_overhead.phases import phase
from ebpf_overhead.proof import Hits, Witness, count_hits, open_witness
from ebpf_overhead.sampling import calibrate
from ebpf_overhead.scaling_choice import SHARING, choose_counts, require, select
from ebpf_overhead.scaling_result import Half, Point, Scaling
from ebpf_overhead.stats import Array, interval, quartiles

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
    options: Options,
    progress: Callable[[Case, float], None] = lambda case, share: None,
) -> Iterator[Scaling]:
    """Measure cases of one attach type; ``options`` gives time, seed and nothing else.

    They are measured in turns.  ``progress`` is called with a case and the share of it that is
    done, 0..1, as if they were measured one after the other.

    Yields
    ------
    Scaling
        One a case, in order; never an exception for what this kernel cannot do.
    """
    cases = list(cases)
    lot = random.Random(options.seed)
    results: dict[int, Scaling] = {}
    with ExitStack() as stack:
        witness = open_witness(GETPID, cases[0].attach.at_exit, whole_process=True)
        if witness is not None:
            stack.callback(witness.close)
        sessions: dict[int, _Session] = {}
        for number, case in enumerate(cases):
            try:
                sessions[number] = stack.enter_context(
                    _session(case, counts, options, witness, lot)
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
    options: Options,
    witness: Witness | None,
    lot: random.Random,
) -> Iterator[_Session]:
    """Load a case and see that it runs; it is not attached when others have their turn."""
    with phase("load"):
        loaded = load(case)
    with loaded as probe, _Session(probe, counts, options, witness, lot) as session:
        session.begin()
        yield session


class _Session(Closing):
    """The measurement of one loaded probe."""

    def __init__(
        self,
        probe: Probe,
        counts: Sequence[int],
        options: Options,
        witness: Witness | None,
        lot: random.Random,
    ) -> None:
        self.probe = probe
        self.target = probe.case.target.name
        # The last ones, as where one CPU is measured.
        allowed = sorted(os.sched_getaffinity(0))
        self.cpus = {count: allowed[-count:] for count in counts}
        self.options = options
        self.witness = witness
        self.random = lot
        # Emptied between windows: no CPU is left for a consumer, whose cost is so left out.
        self.records = probe.compiled.records()
        self.rounds: list[dict[tuple[bool, int], Half]] = []
        self.discarded = 0
        self.elapsed_s = 0.0

    @property
    def share(self) -> float:
        """Which share of its time is over, less than 1."""
        return min(self.elapsed_s / self.options.time_s, 0.99)

    def begin(self) -> None:
        """See that the program runs."""
        self.probe.compiled.clear()
        self.calls = calibrate(self.target, self.cpus[1][0])
        self.hits = self._prove()

    def result(self) -> Scaling:
        """See that it runs still, and return what all rounds say."""
        hits = self.hits + self._prove()
        case = self.probe.case
        if len(self.rounds) < _ROUNDS_MIN:
            raise FailedError(
                f"{case.name} lost {self._lost_updates()} updates,"
                f" in all but {len(self.rounds)} rounds",
                "measure on fewer CPUs, or when the machine does less",
            )
        lost = self._lost_updates()
        points = tuple(self._point(count, self.rounds) for count in self.cpus)
        return Scaling(
            case,
            "measured",
            hook=self.probe.hook,
            hits=hits,
            lost_updates=lost,
            rounds=len(self.rounds),
            discarded_rounds=self.discarded,
            points=points,
        )

    def _prove(self) -> Hits:
        cpus = self.cpus[max(self.cpus)]

        def call(calls: int) -> None:
            each = calls // len(cpus)
            _workload.run_together(self.target, each, 1, cpus, keep_busy=False)

        with phase("prove"):
            self._drain()
            self.probe.attach()
            hits = count_hits(self.probe, _PROOF_CALLS * len(cpus), call, self.witness)
            self.probe.detach()
        hits.check(self.probe.case.name)
        return hits

    def round_and_done(self) -> bool:
        """Measure a round, and tell whether there are enough."""
        start = time.monotonic()
        lost = self._lost_updates()
        found = self._round()
        if self._lost_updates() == lost:
            self.rounds.append(found)
        else:
            self.discarded += 1
        self.elapsed_s += time.monotonic() - start
        made = len(self.rounds) + self.discarded
        enough = made >= _ROUNDS_MIN and (
            len(self.rounds) >= _ROUNDS_MIN or self.elapsed_s >= _PATIENCE * self.options.time_s
        )
        return made >= _ROUNDS_MAX or (self.elapsed_s >= self.options.time_s and enough)

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
        if self.records is not None:
            windows = max(min(_WINDOWS, _RECORDS_MAX // (self.calls * count)), 2)
        parts: list[Array] = []
        while sum(part.shape[1] for part in parts) < _WINDOWS // 2:
            self._drain()
            with phase("sample"):
                elapsed_ns, _, _ = _workload.run_together(
                    self.target, self.calls, windows, self.cpus[count]
                )
            # The first window warms up and does not count.
            parts.append(np.array(elapsed_ns)[:, 1:])
        per_call_ns = np.hstack(parts) / self.calls
        return Half(
            float(np.median(per_call_ns.mean(axis=0))),
            float(np.median((1e9 / per_call_ns).sum(axis=0))),
        )

    def _drain(self) -> None:
        if self.records is not None:
            self.records.drain()

    def close(self) -> None:
        """Give back what the session opened."""
        if self.records is not None:
            self.records.close()

    def _point(self, count: int, rounds: list[dict[tuple[bool, int], Half]]) -> Point:
        per_call = {
            attached: np.array([each[attached, count].per_call_ns for each in rounds])
            for attached in (False, True)
        }
        together, alone = (
            {
                attached: np.array([each[attached, number].calls_per_s for each in rounds])
                for attached in (False, True)
            }
            for number in (count, 1)
        )
        return Point(
            tuple(self.cpus[count]),
            quartiles(per_call[False]),
            quartiles(per_call[True]),
            interval(per_call[True] - per_call[False]),
            interval(together[False]),
            interval(together[True]),
            interval(together[False] / (count * alone[False])),
            interval(together[True] / (count * alone[True])),
        )

    def _lost_updates(self) -> int | None:
        lost = self.probe.compiled.table("lost_updates")
        return None if lost is None else int(next(iter(lost.values())).value)
