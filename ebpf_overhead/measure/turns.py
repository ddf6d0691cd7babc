"""Samplers that take turns, block by block, until all of them are precise or the time is over.

A machine that others share is faster in one minute than in the next.  Hooks that were measured
one after the other would differ by that.  Those that take turns see the same minutes, and those
that have the workload in common share all windows without a hook.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import Precision, Sampled
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.undisturbed import Level, Levels, Scatter, difference
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.calling_threads import CallingThreads

# Eight blocks give a 99 % interval, but one as wide as their range.
_ROUNDS_MIN = 10
_ROUNDS_MAX = 10_000
# The intervals are looked at again when there are this many times as many blocks: working one
# out takes the square of their number, and a few more blocks hardly narrow it.
_ROUNDS_GROWTH = 1.03


class Turns:
    """Samplers, each of which has a block in every round, in random order.

    Parameters
    ----------
    samplers : sequence of Sampler
        Between their turns, all of them are detached if there are several.
    precision : Precision
        When to stop.
    seed : int or None
        Seed of the order.
    scatter : Scatter, optional
        What varies from run to run on this machine.
    """

    def __init__(
        self,
        samplers: Sequence[Sampler],
        precision: Precision,
        seed: int | None = None,
        scatter: Scatter | None = None,
    ) -> None:
        self._samplers = samplers
        self._precision = precision
        self._scatter = scatter or Scatter()
        self._random = random.Random(seed)
        self._failures: dict[Sampler, OverheadError] = {}

    @property
    def enough(self) -> bool:
        """Whether there are enough blocks for intervals."""
        return self._rounds >= _ROUNDS_MIN

    @property
    def _rounds(self) -> int:
        """Blocks of each; an interruption may have come in the middle of a round."""
        return min((each.blocks for each in self._active()), default=0)

    def run(
        self, time_s: float, progress: Callable[[int, float], None] = lambda turn, share: None
    ) -> None:
        """Measure rounds until all intervals are narrow enough or the time is over.

        Parameters
        ----------
        time_s : float
            Time at most, in seconds, once there are enough blocks for an interval.
        progress : callable, optional
            Called with the number of a sampler that has its turn, and with the share of the time
            that is over, 0..1.
        """
        in_turns = any(each.in_turns for each in self._samplers)
        with CallingThreads(self._random, in_turns) as threads:
            start = time.monotonic()
            next_look = _ROUNDS_MIN
            while self._active():
                for turn in self._random.sample(range(len(self._samplers)), len(self._samplers)):
                    progress(turn, min((time.monotonic() - start) / time_s, 0.99))
                    self._take(self._samplers[turn], threads)
                out_of_time = time.monotonic() - start >= time_s or self._rounds >= _ROUNDS_MAX
                if self.enough and out_of_time:
                    return
                if self._rounds >= next_look:
                    next_look = math.ceil(self._rounds * _ROUNDS_GROWTH)
                    if all(each.stopped_by == "precision" for each in self._sampled().values()):
                        return

    def result(self, sampler: Sampler) -> Sampled:
        """Return what was found of one of them when `run` had ended.

        Raises
        ------
        OverheadError
            It failed in one of its turns.
        """
        if sampler in self._failures:
            raise self._failures[sampler]
        return self._results[sampler]

    @cached_property
    def _results(self) -> dict[Sampler, Sampled]:
        return self._sampled()

    def _sampled(self) -> dict[Sampler, Sampled]:
        """Return what was found so far of each that has not failed."""
        active = self._active()
        if clock.current().layout_sensitive:
            return self._undisturbed(active)
        found = {}
        for each in active:
            samples = each.samples
            overhead = samples.median_overhead()
            found[each] = Sampled(samples, overhead, self._stopped_by(overhead))
        return found

    def _undisturbed(self, active: Sequence[Sampler]) -> dict[Sampler, Sampled]:
        rounds = range(self._rounds)
        baselines = {
            call: Level(
                [
                    [
                        value
                        for each in active
                        if each.call == call
                        for value in each.half(False, at)
                    ]
                    for at in rounds
                ]
            )
            for call in {each.call for each in active}
        }
        found = {}
        for each in active:
            baseline = baselines[each.call]
            probed = Level([each.half(True, at) for at in rounds])
            unrest = baseline.unrest(self._earlier(each))
            overhead = difference(probed, baseline, self._scatter, unrest=unrest)
            found[each] = Sampled(
                each.samples,
                overhead,
                self._stopped_by(overhead),
                Levels(baseline, probed, unrest),
                each.preempted if each.tells_preempted else None,
            )
        return found

    def _earlier(self, sampler: Sampler) -> float:
        """Return the quietest that earlier runs found the call without a hook, in ns."""
        own = sampler.call is sampler  # by whom it is made, they did not keep
        return math.inf if own else self._scatter.quietest.get(sampler.workload, math.inf)

    def _stopped_by(self, overhead: Interval) -> Literal["precision", "time"]:
        return "precision" if self._precision.reached(overhead) else "time"

    def _active(self) -> list[Sampler]:
        return [each for each in self._samplers if each not in self._failures]

    def _take(self, sampler: Sampler, threads: CallingThreads) -> None:
        if sampler in self._failures:
            return
        try:
            sampler.block(threads)
            if len(self._samplers) > 1:
                sampler.switch(False)
        except OverheadError as error:
            self._failures[sampler] = error
            sampler.abandon()


def sample(
    sampler: Sampler, precision: Precision, time_s: float, seed: int | None = None
) -> Sampled:
    """Measure one sampler until its interval is narrow enough or the time is over.

    Parameters
    ----------
    sampler, precision, seed
        See `Turns`.
    time_s : float
        See `Turns.run`.

    Raises
    ------
    OverheadError
        The hook could not be switched.
    """
    turns = Turns([sampler], precision, seed)
    turns.run(time_s)
    return turns.result(sampler)
