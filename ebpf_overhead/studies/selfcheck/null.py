"""What does not differ: nothing and nothing, a probe and itself, N calls and 2N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure.sampling import Sampled, calibrate
from ebpf_overhead.measure.stats import median
from ebpf_overhead.measure.undisturbed import Scatter, difference
from ebpf_overhead.studies.selfcheck import additional
from ebpf_overhead.studies.selfcheck.comparing import Comparing, Progress, windows
from ebpf_overhead.studies.selfcheck.judging import (
    EXACT,
    Check,
    detectable,
    no_difference,
    the_same,
)
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.workloads import GETPID


def nothing(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Compare nothing with nothing."""
    found = how.compare(40, lambda attached: None, progress)
    yield from _of_null_test("nothing against nothing", found)


def itself(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Compare a probe with itself: it is attached again for each half, and maybe reloaded."""
    with additional.running(attach, how.cpu) as probe:
        found = how.compare(20, partial(_again, probe), progress)
    yield from _of_null_test("a probe against itself", found)


def _of_null_test(what: str, found: Sequence[Sampled]) -> Iterator[Check]:
    """Judge the intervals as they are reported, and say what they are without the run's part."""
    part = "null test"
    intervals = [each.overhead for each in found]
    unit = clock.current().unit
    yield from the_same(part, what, intervals, unit)
    within = [
        difference(each.levels.probed, each.levels.baseline, Scatter(0.0))
        for each in found
        if each.levels is not None
    ]
    if within:
        alone = no_difference(part, f"{what}, without what varies from run to run", within)
        yield replace(alone, low=None, high=None)
    yield detectable(part, what, intervals, unit)


def _again(probe: Probe, attached: bool) -> None:
    probe.switch(False)
    probe.switch(True)


def proportional(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Compare 2N probed calls with N: what a call takes, that is."""
    with additional.running(attach, how.cpu) as probe:
        probe.attach()
        if not clock.current().layout_sensitive:
            yield _marginal(how)
            return
        doubling = _Doubling()
        found = how.compare(15, doubling.switch, progress, doubling.run)
    yield no_difference("proportionality", "2N calls against N", [each.overhead for each in found])


class _Doubling:
    """Makes twice as many calls as it is asked for, or not, and says what that many take."""

    def __init__(self) -> None:
        self._times = 1

    def switch(self, doubled: bool) -> None:
        self._times = 2 if doubled else 1

    def run(self, workload: str, calls: int, *args: Any, **how: Any) -> tuple[list[int], int]:
        elapsed, made = _workload.run(workload, calls * self._times, *args, **how)
        return [each // self._times for each in elapsed], made


def _marginal(how: Comparing) -> Check:
    """Count what 2N calls more take: exactly twice what N more do.

    A window has instructions of its own, which read the clock.  They are in N, 2N and 4N calls.
    """
    calls = calibrate(GETPID.name, how.cpu)
    one, two, four = (
        median(map(median, windows(times * calls, how.cpu, 10))) * times for times in (1, 2, 4)
    )
    return Check(
        *("proportionality", "a call, by 2N calls more against N more", "instructions"),
        seen=(four - two) / 2 - (two - one),
        expected=0,
        low=-EXACT,
        high=EXACT,
        comparisons=1,
    )


def order(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Compare halves that came first in their block with those that came second."""
    with additional.running(attach, how.cpu) as probe:
        found = how.orders(5, probe.switch, progress)
    yield from the_same(
        "order", "first half of a block against second", found, clock.current().unit
    )
