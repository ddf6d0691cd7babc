"""Rounds of whole runs, with hooks that are switched on and off: what each adds to a run.

For what cannot be called in windows: a command, or a request to a server.  Every round has a run
without a hook and one with each of them, in random order, so that what disturbs the machine for a
while disturbs all of a round.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure.stats import Interval, interval

# Eight rounds give a 99 % interval, but one as wide as their range.
ROUNDS_MIN = 10
_ROUNDS_MAX = 2_000

_Run = TypeVar("_Run")
# Attaches (True) or detaches (False) a hook.
Switch = Callable[[bool], None]


class Rounds(Generic[_Run]):
    """Runs without a hook and with each of several, in rounds.

    Parameters
    ----------
    run : callable
        Makes one run and returns what it found.
    switches : sequence of callable
        Attach or detach a hook each; nothing is attached before or after a run.
    seed : int or None
        Seed of the order.

    Attributes
    ----------
    baseline : list
        What the runs without a hook found, by round.
    failures : dict of int to OverheadError
        Why hooks, by their place, take no part any more.
    """

    def __init__(
        self, run: Callable[[], _Run], switches: Sequence[Switch], seed: int | None = None
    ) -> None:
        self.baseline: list[_Run] = []
        self.failures: dict[int, OverheadError] = {}
        self._run = run
        self._switches = switches
        self._probed: list[list[_Run]] = [[] for _ in switches]
        self._random = random.Random(seed)

    @property
    def enough(self) -> bool:
        """Whether there are enough rounds for intervals."""
        return len(self.baseline) >= ROUNDS_MIN

    def probed(self, hook: int) -> list[_Run]:
        """Return what the runs with a hook found, by round."""
        return self._probed[hook]

    def added(self, hook: int, value: Callable[[_Run], float]) -> Interval:
        """Return how much more a value is with a hook than without it, in the same round."""
        pairs = zip(self.baseline, self.probed(hook), strict=False)
        return interval(value(probed) - value(bare) for bare, probed in pairs)

    def run(
        self,
        time_s: float,
        precise: Callable[[int], bool] = lambda hook: False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Make rounds until all hooks are known precisely, or the time is over.

        Parameters
        ----------
        time_s : float
            Time at most, in seconds, once there are enough rounds for an interval.
        precise : callable, optional
            Whether what a hook adds is known precisely enough.
        progress : callable, optional
            Called with the share of the time that is over, 0..1.

        Raises
        ------
        OverheadError
            A run failed.
        """
        start = time.monotonic()
        while self._taking_part() and len(self.baseline) < _ROUNDS_MAX:
            over = (time.monotonic() - start) / time_s
            progress(min(over, len(self.baseline) / ROUNDS_MIN, 0.99))
            if self.enough and (over >= 1 or all(map(precise, self._taking_part()))):
                return
            self._round()

    def _taking_part(self) -> list[int]:
        return [hook for hook in range(len(self._switches)) if hook not in self.failures]

    def _round(self) -> None:
        """Make a round; of one that is interrupted nothing remains."""
        order: list[int | None] = [None, *self._taking_part()]
        self._random.shuffle(order)
        found = {hook: self._one(hook) for hook in order if hook is None or self._attached(hook)}
        for hook in self._taking_part():
            self._probed[hook].append(found[hook])
        self.baseline.append(found[None])

    def _attached(self, hook: int) -> bool:
        try:
            self._switches[hook](True)
        except OverheadError as error:
            self.failures[hook] = error
        return hook not in self.failures

    def _one(self, hook: int | None) -> _Run:
        try:
            return self._run()
        finally:
            if hook is not None:
                self._switches[hook](False)
