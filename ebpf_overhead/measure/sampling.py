"""Windows of calls, how precise their difference is to be, and where they are measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import sub
from typing import Literal, NamedTuple

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.stats import Interval, interval, median
from ebpf_overhead.measure.undisturbed import Levels
from ebpf_overhead.workload import _workload, clock

_CALLS_MIN, _CALLS_MAX = 100, 1_000_000
_CALIBRATION_CALLS = 500
# A window that would have fewer is not stretched to hold more: reading the clock takes no share of
# such calls that counts.
_CALLS_FEW = 20
_FIRST_CALLS = 4
# Short and long windows agree to this share: two or three ticks in a long one are a third of it.
_AGREE = 0.005
# How long CPUs are watched before one is chosen: ten ticks of their accounts.
_WATCH_S = 0.1

# Times windows of calls, as :func:`ebpf_overhead.workload._workload.run` does.
Run = Callable[..., tuple[list[int], int]]


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

    @classmethod
    def by_default(cls) -> Precision:
        """Return what a run reaches in its time: more where the clock counts instructions."""
        return cls(0.05, 10.0) if clock.current().layout_sensitive else cls()

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
        Calls of the workload in a window.
    """

    baseline: tuple[float, ...]
    probed: tuple[float, ...]
    windows_per_block: int
    calls_per_window: int

    def differences(self) -> list[float]:
        """Return probed minus baseline of each block, in ns per call."""
        return list(map(sub, self._medians(self.probed), self._medians(self.baseline)))

    def median_overhead(self) -> Interval:
        """Return what the hook adds in the middle of the run, by the differences of all blocks."""
        return interval(self.differences())

    def _medians(self, values: tuple[float, ...]) -> list[float]:
        starts = range(0, len(values), self.windows_per_block)
        return [median(values[start : start + self.windows_per_block]) for start in starts]


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
    levels : Levels or None
        The undisturbed times; None for instructions, which nothing disturbs.
    preempted : int or None
        Windows in which another task had the CPU, which the undisturbed times leave out; None
        where that is not looked at.
    """

    samples: Samples
    overhead: Interval
    stopped_by: Literal["precision", "time"]
    levels: Levels | None = None
    preempted: int | None = None


def choose_cpu(wanted: int | None = None) -> int:
    """Return the CPU to measure on: the one asked for, or the quietest.

    Raises
    ------
    BadUseError
        The CPU asked for is not one this process may use.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if wanted is None:
        return _quietest(tuple(allowed))
    if wanted not in allowed:
        raise BadUseError(f"CPU {wanted} is not available", f"choose of {allowed}")
    return wanted


def choose_other_cpu() -> int:
    """Return the quietest CPU but one: that is left to who works beside the caller."""
    allowed = os.sched_getaffinity(0)
    return _quietest(tuple(sorted(allowed - {choose_cpu()} or allowed)))


@cache
def _quietest(allowed: tuple[int, ...]) -> int:
    """Return the same each time: what is compared is measured on one CPU."""
    if len(allowed) == 1:
        return allowed[0]
    from ebpf_overhead.machine import activity  # Here: a guest has one CPU.
    from ebpf_overhead.machine.tree import Tree

    before = activity.ticks(Tree())
    time.sleep(_WATCH_S)
    return activity.quietest(allowed, before, Tree())


class HalfBlock(NamedTuple):
    """Half a block: its windows have a probe, or none.

    Attributes
    ----------
    calls : int
        Calls in a window.
    windows : int
        Windows in it.
    """

    calls: int
    windows: int

    @property
    def is_long(self) -> bool:
        """Whether its one window is several ticks long."""
        return self.windows == 1


def half_block_of(workload: str, cpu: int, run: Run | None = None) -> HalfBlock:
    """Return in which windows calls of a workload are compared.

    A short window shows calls as they are for a moment.  That is not what they cost on average
    where the kernel frees later what some of them used, or where tasks answer each other: the first
    calls of a window find them asleep, and the scheduler decides every few milliseconds in which
    order they run.  A probe changes when these things happen, so a difference of short windows can
    be wrong by more than the overhead.  Where short and long windows do not agree, half a block is
    one long window.
    """
    short, long = _short_and_long(workload, cpu, run)
    if not long.is_long:
        return short
    per_call = [_per_call(each, workload, cpu, run) for each in (short, long)]
    return short if abs(per_call[1] / per_call[0] - 1) <= _AGREE else long


def long_half_block_of(workload: str, cpu: int) -> HalfBlock:
    """Return windows that are long wherever a short one would have few calls.

    It does not matter whether both agree in the first calls: they may not later, when others have
    begun or ended beside them.
    """
    return _short_and_long(workload, cpu, None)[1]


def _short_and_long(workload: str, cpu: int, run: Run | None) -> tuple[HalfBlock, HalfBlock]:
    """Return short windows and long ones; twice the short ones where long ones say no more."""
    now = clock.current()
    calls = calibrate(workload, cpu, run)
    short = HalfBlock(calls, now.windows_per_half)
    if now.long_window is None or calls > _CALLS_MIN:
        return short, short
    wanted = _calls_within(now.long_window, _FIRST_CALLS, workload, cpu, run)
    return short, HalfBlock(max(wanted, _CALLS_FEW), 1)


def _per_call(half: HalfBlock, workload: str, cpu: int, run: Run | None) -> float:
    """Return what a call takes in the middle one of its windows; the first one warms up."""
    count = half.windows + 1
    elapsed, _ = (run or _workload.run)(
        workload, half.calls, windows=count, cpu=cpu, **clock.current().source
    )
    return median(elapsed[1:]) / half.calls


def calibrate(workload: str, cpu: int, run: Run | None = None) -> int:
    """Return how many calls of a workload make a window of the clock's length.

    Of expensive calls a window has a few, and is longer than that.
    """
    wanted = 0
    for calls in (_FIRST_CALLS, _CALIBRATION_CALLS):
        wanted = _calls_within(clock.current().window, calls, workload, cpu, run)
        if wanted < _CALLS_FEW:
            return max(wanted, 1)
    return min(max(wanted // 100 * 100, _CALLS_MIN), _CALLS_MAX)


def _calls_within(length: int, tried: int, workload: str, cpu: int, run: Run | None) -> int:
    """Return how many calls take so long, by the least disturbed of some windows of ``tried``."""
    elapsed, made = (run or _workload.run)(
        workload, tried, windows=5, cpu=cpu, **clock.current().source
    )
    # Other work on the machine only ever adds.
    per_call = min(elapsed) / (made / 5)
    return int(length / max(per_call, 0.1))
