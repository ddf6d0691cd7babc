"""Many CPUs calling at once: what a probe costs then, and how much throughput is left.

A round measures every number of CPUs, with the probe and without, in an order drawn by
lot.  The differences and ratios of all rounds give the estimates and their intervals.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np

from ebpf_overhead import _workload
from ebpf_overhead.attach import Probe, load
from ebpf_overhead.cases import GETPID, Case
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

    Yields
    ------
    Scaling
        One a case, in order; never an exception for what this kernel cannot do.
    """
    cases = list(cases)
    witness = open_witness(GETPID, cases[0].attach.at_exit, whole_process=True)
    try:
        for case in cases:
            try:
                with phase("load"):
                    loaded = load(case)
                with (
                    loaded as probe,
                    closing(_Session(probe, counts, options, witness, progress)) as session,
                ):
                    result = session.measure()
            except OverheadError as error:
                result = Scaling.of_error(case, error)
            yield result
    finally:
        if witness is not None:
            witness.close()


class _Session:
    """The measurement of one loaded probe."""

    def __init__(
        self,
        probe: Probe,
        counts: Sequence[int],
        options: Options,
        witness: Witness | None,
        progress: Callable[[Case, float], None],
    ) -> None:
        self.probe = probe
        self.target = probe.case.target.name
        # The last ones, as where one CPU is measured.
        allowed = sorted(os.sched_getaffinity(0))
        self.cpus = {count: allowed[-count:] for count in counts}
        self.options = options
        self.witness = witness
        self.progress = progress
        self.random = random.Random(options.seed)
        # Emptied between windows: no CPU is left for a consumer, whose cost is so left out.
        self.records = probe.compiled.records()
        self.discarded = 0

    def measure(self) -> Scaling:
        self.probe.compiled.clear()
        self.calls = calibrate(self.target, self.cpus[1][0])
        hits = self._prove()
        rounds = self._sample()
        hits += self._prove()
        self.probe.detach()
        case = self.probe.case
        if len(rounds) < _ROUNDS_MIN:
            raise FailedError(
                f"{case.name} lost {self._lost_updates()} updates, in all but {len(rounds)} rounds",
                "measure on fewer CPUs, or when the machine does less",
            )
        lost = self._lost_updates()
        points = tuple(self._point(count, rounds) for count in self.cpus)
        return Scaling(
            case,
            "measured",
            hook=self.probe.hook,
            hits=hits,
            lost_updates=lost,
            rounds=len(rounds),
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
        hits.check(self.probe.case.name)
        return hits

    def _sample(self) -> list[dict[tuple[bool, int], Half]]:
        rounds: list[dict[tuple[bool, int], Half]] = []
        start = time.monotonic()
        for made in range(1, _ROUNDS_MAX + 1):
            lost = self._lost_updates()
            found = self._round()
            if self._lost_updates() == lost:
                rounds.append(found)
            else:
                self.discarded += 1
            elapsed_s = time.monotonic() - start
            self.progress(self.probe.case, min(elapsed_s / self.options.time_s, 0.99))
            enough = made >= _ROUNDS_MIN and (
                len(rounds) >= _ROUNDS_MIN or elapsed_s >= _PATIENCE * self.options.time_s
            )
            if elapsed_s >= self.options.time_s and enough:
                break
        return rounds

    def _round(self) -> dict[tuple[bool, int], Half]:
        found = {}
        first = self.random.random() < 0.5
        for attached in (first, not first):
            with phase("switch"):
                self.probe.switch(attached)
            for count in self.random.sample(list(self.cpus), len(self.cpus)):
                found[attached, count] = self._half(count)
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
