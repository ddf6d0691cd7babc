"""Whether the kernel's own statistics agree with what is measured from outside.

What a probe adds to a call is its program's run, which the statistics time, and the way to it.
The way is the same whatever the program does.  So a call with a longer program takes as much more
as the statistics report more.  They are on for both.

Neither may be short.  A CPU runs a few hundred instructions at once: the first ones of a program
take their time beside what is around them, so that calls hardly last longer, but the statistics
report them (docs/selfcheck.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import sub
from typing import Any

from ebpf_overhead.bpf import syscall
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure.sampling import Samples
from ebpf_overhead.measure.stats import Interval, median
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.studies.selfcheck import additional
from ebpf_overhead.studies.selfcheck.comparing import Comparing, Progress, difference_of
from ebpf_overhead.studies.selfcheck.judging import Check, exactly, no_difference
from ebpf_overhead.workload import _workload, clock

_PART = "agreement"
_LONG, _LONGER = 1024, 2048


def agreement(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Compare what a longer program takes more, by calls and by the statistics."""
    with (
        syscall.counting_runs(),
        additional.running(attach, how.cpu, _LONG) as long,
        additional.running(attach, how.cpu, _LONGER) as longer,
    ):
        reports = _Reports(long, longer)
        found = how.compare(10, reports.switch, progress, reports.run)
    seen = [each.overhead for each in found]
    reported = [reports.difference(each.samples) for each in found]
    unit = clock.current().unit
    what = f"{_LONGER - _LONG:,} instructions, end to end"
    differences = list(map(sub, seen, reported))
    # The kernel converts the counter's ticks twice, by factors that differ in the fifth digit:
    # where instructions are counted, that is more than an interval is wide.
    judge = exactly if unit == "instructions" else no_difference
    yield judge(_PART, f"{what} less reported", differences)
    yield Check(
        *(_PART, what, unit),
        seen=median(each.estimate for each in seen),
        expected=median(each.estimate for each in reported),
        comparisons=len(seen),
    )


class _Reports:
    """What the statistics report of each window in which one of two programs is attached."""

    def __init__(self, long: Probe, longer: Probe) -> None:
        self._probes = {False: long, True: longer}
        self._longer = False
        self._halves: dict[bool, list[list[float]]] = {False: [], True: []}

    def switch(self, longer: bool) -> None:
        """Attach one of the two programs, and detach the other."""
        self._probes[not longer].switch(False)
        self._probes[longer].switch(True)
        self._longer = longer

    def run(self, workload: str, calls: int, windows: int, **how: Any) -> tuple[list[int], int]:
        """Make calls as `_workload.run` does, one window after the other."""
        probe = self._probes[self._longer]
        times, reported = [], []
        for _ in range(windows):
            before = probe.program.info()
            elapsed, _ = _workload.run(workload, calls, **how)
            after = probe.program.info()
            times += elapsed
            runs = after.run_count - before.run_count
            if runs < calls:  # others may run it, too
                raise FailedError(f"{probe.compiled.name} ran {runs} times in {calls} calls")
            reported.append((after.run_time_ns - before.run_time_ns) / runs)
        self._halves[self._longer].append(reported)
        return times, windows * calls

    def difference(self, samples: Samples) -> Interval:
        """Return what is reported of the longer program more, of the blocks that come next."""
        size = samples.windows_per_block
        blocks = len(samples.probed) // size
        # A window that warmed up does not count.
        halves = {
            longer: [each[-size:] for each in found[:blocks]]
            for longer, found in self._halves.items()
        }
        for found in self._halves.values():
            del found[:blocks]
        return difference_of(halves[True], halves[False], scatter=Scatter(0.0))
