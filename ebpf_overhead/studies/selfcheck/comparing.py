"""Comparisons of two conditions by the machinery that measures overheads.

A comparison is what measuring a case is: blocks of windows, two halves each, in random order, and
an interval for the difference.  Only what is switched between the halves is another thing.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import sub

from ebpf_overhead.measure import turns
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import HalfBlock, Precision, Run, Sampled, calibrate
from ebpf_overhead.measure.stats import Interval, interval, median
from ebpf_overhead.measure.undisturbed import Level, Scatter, difference
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.calling_threads import CallingThreads
from ebpf_overhead.workload.workloads import GETPID

# As few blocks as an interval needs.
_ANY = Precision(0, math.inf)
_TIME_S = 60.0
# Of a part that is not thorough, in seconds, once it has so many comparisons.
_PART_S, _LEAST = 4.0, 5
_THOROUGH, _FEWER = 10, 4
Switch = Callable[[bool], None]
# Called with the share that is done.
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Comparing:
    """How comparisons are made.

    Attributes
    ----------
    cpu : int
        On which CPU.
    seed : int or None
        Seed of the orders.
    thorough : bool
        Whether there are hundreds.
    """

    cpu: int
    seed: int | None = None
    thorough: bool = False

    def times(self, few: int) -> int:
        """Return how many to make where so many are few; of what repeats exactly, fewer do."""
        if self.thorough:
            return few * _THOROUGH
        return few if clock.current().layout_sensitive else max(few // _FEWER, _LEAST)

    def compare(
        self,
        few: int,
        switch: Switch,
        progress: Progress,
        run: Run | None = None,
    ) -> list[Sampled]:
        """Compare two conditions, several times.

        Parameters
        ----------
        few : int
            How often, unless it is thorough.
        switch : callable
            Makes the one (True) or the other (False); called before anything is measured.
        progress : callable
            See `Progress`.
        run : callable, optional
            Makes the calls and times them.

        Returns
        -------
        list of Sampled
            What the one takes more than the other, per call, of each comparison.
        """
        switch(False)
        calls = calibrate(GETPID.name, self.cpu)
        found = []
        for number in self._numbers(few, progress):
            sampler = self._sampler(switch, number, calls, run)
            found.append(turns.sample(sampler, _ANY, _TIME_S, self._seed(number)))
            sampler.switch(False)
        return found

    def orders(self, few: int, switch: Switch, progress: Progress) -> list[Interval]:
        """Compare halves that came first in their block with those that came second.

        See `compare`; there are two intervals of each time, one for each condition.
        """
        switch(False)
        calls = calibrate(GETPID.name, self.cpu)
        found = []
        for number in self._numbers(few, progress):
            found += self._orders_of_one(switch, number, calls)
        return found

    def _numbers(self, few: int, progress: Progress) -> Iterator[int]:
        """Yield the numbers of comparisons; a busy machine has time for fewer of them."""
        times, began = self.times(few), time.monotonic()
        for number in range(times):
            late = time.monotonic() - began > _PART_S and clock.current().layout_sensitive
            if late and number >= _LEAST and not self.thorough:
                return
            progress(number / times)
            yield number

    def _orders_of_one(self, switch: Switch, number: int, calls: int) -> list[Interval]:
        """Measure ten blocks that begin with each half, and compare."""
        halves: list[bool] = []
        sampler = self._sampler(switch, number, calls, after_half=halves.append)
        per_turn = clock.current().blocks_per_switch
        with CallingThreads(random.Random(self._seed(number)), sampler.in_turns) as threads:
            for _ in range(20 // per_turn):
                sampler.block(threads)
        sampler.switch(False)
        # Of each turn, the halves of one kind come first.
        begun = [halves[at] for at in range(0, len(halves), 2 * per_turn) for _ in range(per_turn)]

        def came(place: str, attached: bool) -> list[list[float]]:
            wanted = attached if place == "first" else not attached
            blocks = (block for block, first in enumerate(begun) if first == wanted)
            return [sampler.half(attached, block) for block in blocks]

        return [
            difference_of(came("first", attached), came("second", attached))
            for attached in (False, True)
        ]

    def _sampler(
        self,
        switch: Switch,
        number: int,
        calls: int,
        run: Run | None = None,
        after_half: Callable[[bool], None] = lambda attached: None,
    ) -> Sampler:
        return Sampler(
            GETPID.name,
            switch,
            cpu=self.cpu,
            seed=self._seed(number),
            run=run,
            half_block=HalfBlock(calls, clock.current().windows_per_half),
            after_half=after_half,
        )

    def _seed(self, number: int) -> int | None:
        return None if self.seed is None else self.seed + number


def difference_of(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    scatter: Scatter | None = None,
) -> Interval:
    """Return how much more the windows of some rounds took than those of others.

    Parameters
    ----------
    first, second : sequence of sequence of float
        Windows of each round, per call.
    scatter : Scatter, optional
        What varies from run to run.
    """
    if clock.current().layout_sensitive:
        return difference(Level(first), Level(second), scatter or Scatter())
    return interval(map(sub, map(median, first), map(median, second)))


def windows(calls: int, cpu: int, rounds: int) -> list[list[float]]:
    """Return the windows of some rounds of calls with nothing switched in between, per call."""
    source = clock.current()
    found = []
    for _ in range(rounds):
        elapsed, _ = _workload.run(
            GETPID.name, calls, windows=source.windows_per_half + 1, cpu=cpu, **source.source
        )
        # The first window warms up and does not count.
        found.append([each / calls for each in elapsed[1:]])
    return found
