"""What is left of a probe once it is gone: unprobed calls before its first attachment and after.

Windows before and after cannot be mixed as those of a block are.  Counted in
instructions they compare exactly; in time the difference has in it whatever else changed on the
machine in the meantime.
"""

from __future__ import annotations

from operator import sub

from ebpf_overhead.measure.sampling import Run, calibrate
from ebpf_overhead.measure.stats import Interval, interval, median
from ebpf_overhead.phases import phase
from ebpf_overhead.workload import _workload, clock

_HALVES = 12


class BeforeProbe:
    """Calls of a workload while nothing of ours is attached, to be compared with later ones.

    Parameters
    ----------
    workload : str
        What is called.
    cpu : int
        CPU to call on.
    run : callable, optional
        Makes the calls and times them; by default the calling thread does.
    """

    def __init__(self, workload: str, cpu: int, run: Run | None = None) -> None:
        self._workload = workload
        self._cpu = cpu
        self._run = run or _workload.run
        self._calls = calibrate(workload, cpu, run)
        self._before = self._medians()

    def difference_now(self) -> Interval:
        """Return what a call takes now, minus what it took, in the clock's unit."""
        return interval(map(sub, self._medians(), self._before))

    def _medians(self) -> list[float]:
        machine_clock = clock.current()
        found = []
        for _ in range(_HALVES):
            with phase("residue"):
                elapsed, _ = self._run(
                    self._workload,
                    self._calls,
                    windows=machine_clock.windows_per_half + 1,
                    cpu=self._cpu,
                    **machine_clock.source,
                )
            # The first window warms up and does not count.
            found.append(median(elapsed[1:]) / self._calls)
        return found
