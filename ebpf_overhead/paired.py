"""What any hook costs the caller: windows of calls with and without it, in pairs.

The method is that of :mod:`ebpf_overhead.measure`, for hooks that are not cases of the
catalogue: several programs at once, or tracers of the project's own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np

from ebpf_overhead import _workload, clock
from ebpf_overhead.measure import Precision, calibrate, choose_cpu
from ebpf_overhead.stats import Interval, interval

_BLOCKS_MIN = 10


def paired_difference(
    target: str,
    switch: Callable[[bool], None],
    time_s: float = 2.0,
    precision: Precision | None = None,
    after_probed: Callable[[], None] = lambda: None,
) -> Interval:
    """Measure what a hook adds to one call of a target.

    Parameters
    ----------
    target : str
        What is called, one of ``_workload.TARGETS``.
    switch : callable
        Attaches (True) or detaches (False); always called with a change.
    time_s : float
        Stop after this many seconds, once there are enough blocks for an interval.
    precision : Precision, optional
        Stop as soon as the interval is this narrow.
    after_probed : callable, optional
        Called after each half that was measured attached.

    Returns
    -------
    Interval
        ns (or instructions) per call.  The hook is detached at the end.
    """
    cpu = choose_cpu()
    wanted = precision or Precision()
    attached = True
    switch(True)
    differences: list[float] = []
    deadline = time.monotonic() + time_s
    try:
        calls = calibrate(target, cpu)
        after_probed()
        while True:
            medians = {}
            first = attached if random.random() < 0.75 else not attached
            for half in (first, not first):
                if half != attached:
                    switch(half)
                    attached = half
                medians[half] = _half(target, calls, cpu)
                if half:
                    after_probed()
            differences.append(medians[True] - medians[False])
            if len(differences) < _BLOCKS_MIN:
                continue
            result = interval(differences)
            if wanted.reached(result) or time.monotonic() > deadline:
                return result
    finally:
        if attached:
            switch(False)


def _half(target: str, calls: int, cpu: int) -> float:
    """Return the median time per call of half a block; its first window warms up."""
    windows = clock.current().windows_per_half
    elapsed_ns, _ = _workload.run(target, calls, windows=windows + 1, cpu=cpu)
    return float(np.median(elapsed_ns[1:])) / calls
