"""What the asv suite's classes are made of: windows timed per call of the workload.

asv times one call of a benchmark function.  Here that call is a whole window, and the
clock handed to asv advances by the window's seconds per call, so that asv's value is
what one call of the workload takes.
"""

from __future__ import annotations

import random
from functools import cache, partial

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.run_count_check import prove_with_counter
from ebpf_overhead.measure.sampling import calibrate, choose_cpu
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.calling_threads import CallingThreads


class PerCallClock:
    """A clock for asv's ``timer`` that only windows advance."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the sum of the seconds per call of all windows so far."""
        return self._seconds

    def advance(self, elapsed_ns: int, calls: int) -> None:
        """Let a window pass: ``elapsed_ns`` nanoseconds for a number of calls."""
        self._seconds += elapsed_ns / calls / 1e9


CLOCK = PerCallClock()


class Window:
    """One timed batch of calls of a workload, of a length suited to this machine.

    Each is called in a random thread, as the samples of an overhead are.  asv sets a
    benchmark up anew for each sample, so each has its program reloaded, too.

    Parameters
    ----------
    workload : str
        Name of the workload.
    """

    def __init__(self, workload: str) -> None:
        self._workload = workload
        self._cpu = choose_cpu()
        self._calls = calibrate(workload, self._cpu)

    def __call__(self) -> None:
        """Call the workload for the length of a window and advance :data:`CLOCK`."""
        run = partial(_workload.run, self._workload, self._calls, windows=2, cpu=self._cpu)
        elapsed_ns, _ = _threads().turn()(run)
        # The first window in another thread warms up and does not count.
        CLOCK.advance(elapsed_ns[1], self._calls)


@cache
def _threads() -> CallingThreads:
    return CallingThreads(random.Random())


def attach_proven(case: Case) -> Probe:
    """Return a case's probe, attached and seen to fire once per call.

    Raises
    ------
    OverheadError
        It cannot be attached here, or does not fire.
    """
    probe = load(case)
    try:
        cpu = choose_cpu()

        def call(calls: int) -> None:
            _workload.run(case.workload.name, calls, cpu=cpu)

        prove_with_counter(probe, call)
    except BaseException:
        probe.close()
        raise
    return probe
