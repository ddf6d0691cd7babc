"""Windows, pairing, stopping rule: what a hook that is switched on and off adds to a call.

Windows with and without the hook are measured in blocks: attach, some windows, detach, as
many windows without.  Of two blocks one begins with the hook and one without, which of them
is drawn by lot: drift adds to one what it takes from the other.  A block's difference is
that of the medians of its halves; the differences of all blocks give the estimate and its
interval.

What takes time takes more or less of it by where in memory the hook and the calling thread
lie, and that would be the same in all blocks: so each block is attached anew, and called
from a thread drawn by lot.  The interval is then that of any loading and any thread.  What is
counted in instructions is the same wherever it lies; there a block begins without a switch
if the one before ended as it begins.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ebpf_overhead import _workload, clock
from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.phases import phase
from ebpf_overhead.stats import Interval, interval

_CALLS_MIN, _CALLS_MAX = 100, 1_000_000
# Eight blocks give a 99 % interval, but one as wide as their range.
_BLOCKS_MIN = 10
_BLOCKS_MAX = 10_000
_CALIBRATION_CALLS = 500
# The interval is looked at again when there are this many times as many blocks: working it
# out takes the square of their number, and a few more blocks hardly narrow it.
_BLOCKS_GROWTH = 1.03

# Called with the share that is done, 0..1.
Progress = Callable[[float], None]
# Times windows of calls, as :func:`ebpf_overhead._workload.run` does.
Run = Callable[..., tuple[list[int], int]]
# Has that done somewhere.
_Do = Callable[[Callable[[], tuple[list[int], int]]], tuple[list[int], int]]


@dataclass(frozen=True)
class Precision:
    """How narrow the interval of the overhead is to be.

    Attributes
    ----------
    relative : float
        Half-width as a share of the overhead; 0 to leave it out.
    absolute : float
        Half-width in ns (or instructions); 0 to leave it out.
    """

    relative: float = 0.01
    absolute: float = 1.0

    def __str__(self) -> str:
        """Return it as ``--precision`` takes it."""
        parts = [f"{self.relative * 100:g}%"] if self.relative else []
        return ",".join(parts + ([f"{self.absolute:g}ns"] if self.absolute else []))

    def reached(self, result: Interval) -> bool:
        """Whether an interval is narrow enough; the larger of the two bounds counts."""
        allowed = max(self.relative * abs(result.estimate), self.absolute)
        return bool(result.half_width <= allowed)


@dataclass(frozen=True)
class Samples:
    """Time per call in every window, and how the windows belong together.

    Attributes
    ----------
    baseline, probed : tuple of float
        Time per call, one value a window, in the order measured.
    windows_per_block : int
        So many consecutive values of either belong to one block.
    calls_per_window : int
        Calls of the target in a window.
    """

    baseline: tuple[float, ...]
    probed: tuple[float, ...]
    windows_per_block: int
    calls_per_window: int

    def differences(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return probed minus baseline of each block, in ns per call."""
        shape = (-1, self.windows_per_block)
        probed = np.median(np.reshape(self.probed, shape), axis=1)
        baseline = np.median(np.reshape(self.baseline, shape), axis=1)
        return np.asarray(probed - baseline)


class Sampled(NamedTuple):
    """What sampling found.

    Attributes
    ----------
    samples : Samples
        Every window.
    overhead : Interval
        Probed minus baseline, ns (or instructions) per call.
    stopped_by : str
        ``precision`` or ``time``.
    """

    samples: Samples
    overhead: Interval
    stopped_by: str


def choose_cpu(wanted: int | None = None) -> int:
    """Return the CPU to measure on: the one asked for, or the last this process may use.

    The first CPUs serve most interrupts, so the last is the quietest guess.

    Raises
    ------
    BadUseError
        The CPU asked for is not one this process may use.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if wanted is None:
        return allowed[-1]
    if wanted not in allowed:
        raise BadUseError(f"CPU {wanted} is not available", f"choose of {allowed}")
    return wanted


def calibrate(target: str, cpu: int, run: Run | None = None) -> int:
    """Return how many calls of a target make a window of the clock's length."""
    source = clock.current().source
    run = run or _workload.run
    elapsed_ns, calls = run(target, _CALIBRATION_CALLS, windows=5, cpu=cpu, **source)
    per_call_ns = sum(sorted(elapsed_ns)[1:4]) / 3 / (calls / 5)
    wanted = int(clock.current().window / max(per_call_ns, 0.1))
    return min(max(wanted // 100 * 100, _CALLS_MIN), _CALLS_MAX)


class Sampler:
    """Measures windows of calls of a target, with and without a hook, in blocks.

    Parameters
    ----------
    target : str
        What is called, one of ``_workload.TARGETS``.
    switch : callable
        Attaches (True) or detaches (False); always called with a change.
    cpu : int
        CPU to call on.
    seed : int or None
        Seed of the order of the halves.
    attached : bool
        Whether the hook is attached now.
    after_half : callable, optional
        Called after each half of a block with whether it was measured attached.
    progress : callable, optional
        Called with the share of the time that is over, 0..1.
    run : callable, optional
        Makes the calls and times them; by default the thread it is called in does.
    in_turns : bool
        Whether, where places matter, it is called in threads that take turns.
    calls : int, optional
        Calls in a window; by default as many as fill one of the clock's length.
    windows_per_half : int, optional
        Windows in half a block; by default the clock's number.

    Attributes
    ----------
    attached : bool
        Whether the hook is attached.
    calls : int
        Calls in a window.
    """

    def __init__(
        self,
        target: str,
        switch: Callable[[bool], None],
        *,
        cpu: int,
        seed: int | None = None,
        attached: bool = False,
        after_half: Callable[[bool], None] = lambda attached: None,
        progress: Progress = lambda share: None,
        run: Run | None = None,
        in_turns: bool = True,
        calls: int | None = None,
        windows_per_half: int | None = None,
    ) -> None:
        self.target = target
        self.cpu = cpu
        self.attached = attached
        self.calls = calls or calibrate(target, cpu, run)
        self._run = run or _workload.run
        self._switch = switch
        self._after_half = after_half
        self._progress = progress
        self._random = random.Random(seed)
        self._clock = clock.current()
        self._in_turns = in_turns and self._clock.places_matter
        self._beginnings: list[bool] = []
        self._windows_per_half = windows_per_half or self._clock.windows_per_half

    def switch(self, attached: bool) -> None:
        """Attach or detach, unless it is so already."""
        if attached != self.attached:
            with phase("switch"):
                self._switch(attached)
            self.attached = attached

    def sample(self, precision: Precision, time_s: float) -> Sampled:
        """Measure blocks until the interval is narrow enough or the time is over."""
        with CallingThreads(self._random, self._in_turns) as threads:
            return self._sample(precision, time_s, threads)

    def _sample(self, precision: Precision, time_s: float, threads: CallingThreads) -> Sampled:
        windows: dict[bool, list[float]] = {False: [], True: []}
        start = time.monotonic()
        next_look = _BLOCKS_MIN
        while True:
            first = self._first_half()
            do = threads.turn()
            for attached in (first, not first):
                windows[attached].extend(self._half(attached, do))
            samples = Samples(
                tuple(windows[False]),
                tuple(windows[True]),
                self._windows_per_half,
                self.calls,
            )
            blocks = len(samples.baseline) // samples.windows_per_block
            elapsed_s = time.monotonic() - start
            self._progress(min(elapsed_s / time_s, 0.99))
            out_of_time = elapsed_s >= time_s or blocks >= _BLOCKS_MAX
            if blocks < _BLOCKS_MIN or (blocks < next_look and not out_of_time):
                continue
            next_look = math.ceil(blocks * _BLOCKS_GROWTH)
            overhead = interval(samples.differences())
            if precision.reached(overhead):
                return Sampled(samples, overhead, "precision")
            if out_of_time:
                return Sampled(samples, overhead, "time")

    def _first_half(self) -> bool:
        """Whether the next block begins attached: of each two, one does."""
        if not self._beginnings:
            self._beginnings = [False, True]
            self._random.shuffle(self._beginnings)
        return self._beginnings.pop()

    def _half(self, attached: bool, do: _Do) -> list[float]:
        """Measure the windows of half a block, in ns per call."""
        # The first window after a switch, or in another thread, warms up and does not count.
        extra = int(self._clock.places_matter or attached != self.attached)
        if self._clock.places_matter and attached:
            self.switch(False)  # to be attached anew
        self.switch(attached)
        run = partial(
            self._run,
            self.target,
            self.calls,
            windows=self._windows_per_half + extra,
            cpu=self.cpu,
            **self._clock.source,
        )
        with phase("sample"):
            elapsed_ns, _ = do(run)
        self._after_half(attached)
        return [value / self.calls for value in elapsed_ns[extra:]]
