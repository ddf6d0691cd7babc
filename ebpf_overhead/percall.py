"""What the asv suite's classes are made of: windows timed per call of the target.

asv times one call of a benchmark function.  Here that call is a whole window, and the
clock handed to asv advances by the window's seconds per call, so that asv's value is
what one call of the target takes.
"""

from __future__ import annotations

import random
from functools import cache, partial

from ebpf_overhead import _workload
from ebpf_overhead.attach import Probe, load
from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.cases import Case
from ebpf_overhead.proof import open_witness, prove
from ebpf_overhead.sampling import calibrate, choose_cpu


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
    """One timed batch of calls of a target, of a length suited to this machine.

    Each is called in a thread drawn by lot, as the samples of an overhead are.  asv sets a
    benchmark up anew for each sample, so each has its program loaded anew, too.

    Parameters
    ----------
    target : str
        Name of the target.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._cpu = choose_cpu()
        self._calls = calibrate(target, self._cpu)

    def __call__(self) -> None:
        """Call the target for the length of a window and advance :data:`CLOCK`."""
        run = partial(_workload.run, self._target, self._calls, windows=2, cpu=self._cpu)
        elapsed_ns, _ = _threads().turn()(run)
        # The first window in another thread warms up and does not count.
        CLOCK.advance(elapsed_ns[1], self._calls)


@cache
def _threads() -> CallingThreads:
    return CallingThreads(random.Random())


def attach_proven(case: Case) -> Probe:
    """Return a case's probe, attached and seen to fire once a call.

    Raises
    ------
    OverheadError
        It cannot be attached here, or does not fire.
    """
    probe = load(case)
    witness = open_witness(case.target, case.attach.at_exit)
    try:
        cpu = choose_cpu()

        def call(calls: int) -> None:
            _workload.run(case.target.name, calls, cpu=cpu)

        prove(probe, call, witness)
    except BaseException:
        probe.close()
        raise
    finally:
        if witness is not None:
            witness.close()
    return probe
