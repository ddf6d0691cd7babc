"""Who else pays while a workload is probed: other system calls, and those of another process.

A bystander makes calls that nobody asked to have probed.  What they cost is measured in the
same blocks as the workload itself, and the proof has two halves: the probe runs for every call
of the workload, and for each of the bystander's or none, as its hook says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import Bystander, Case
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.measure.run_count_check import Hits, count_hits
from ebpf_overhead.measure.sampling import Run
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.other_process import OtherProcess
from ebpf_overhead.workload.workloads import GETPPID, WORKLOADS

# The cheapest call besides getpid, a more expensive one, and the cheapest again in another process.
BYSTANDERS = (
    Bystander(GETPPID),
    Bystander(WORKLOADS["read"]),
    Bystander(GETPPID, "other"),
)


@dataclass(frozen=True)
class Caller:
    """A bystander at work.

    Attributes
    ----------
    bystander : Bystander
        What it calls.
    run : callable
        Has it make calls, timed.
    thread : int
        Id of the thread that makes them.
    """

    bystander: Bystander
    run: Run
    thread: int

    @property
    def timed(self) -> Run:
        """The same, elsewhere in threads that take turns if the clock is layout-sensitive."""
        if self.bystander.elsewhere and clock.current().layout_sensitive:
            return partial(self.run, in_turns=True)
        return self.run

    def prove(self, probe: Probe, cpu: int) -> Hits:
        """See that an attached probe runs for each of the bystander's calls, or for none.

        Raises
        ------
        FailedError
            It does otherwise.
        """
        case, workload = probe.case, self.bystander.workload

        def call(calls: int) -> None:
            self.run(workload.name, calls, cpu=cpu)

        expected = self.bystander.runs_per_call(case)
        # A hook of all calls serves the bystander's; of others, who else calls the workload counts.
        watched = workload if case.attach.system_wide else case.workload
        caller_counter = open_caller_counter(watched, case.attach.at_exit, thread=self.thread)
        try:
            hits = count_hits(probe, workload.checked_calls, call, caller_counter, expected)
        finally:
            if caller_counter is not None:
                caller_counter.close()
        if hits.off > hits.slack:
            raise FailedError(
                f"{case.name} ran {hits.hits} times for {hits.calls} calls of"
                f" {self.bystander.name}, {hits.expected} expected"
            )
        return hits


@contextmanager
def at_work(bystander: Bystander | None) -> Iterator[Caller | None]:
    """Have a bystander ready while the block runs; None for None.

    Another process is forked here: before the program is loaded, so that it holds none.
    """
    if bystander is None:
        yield None
    elif bystander.elsewhere:
        with OtherProcess() as other:
            yield Caller(bystander, other.run, other.pid)
    else:
        yield Caller(bystander, _workload.run, threading.get_native_id())


def seen_by_all(case: Case, calls: Sequence[str] = ()) -> list[Case]:
    """Return a case as its workload sees it, then as each bystander does; with what remains.

    Who calls the workload of the case is no bystander of it.

    Parameters
    ----------
    case : Case
        What is measured.
    calls : sequence of str
        Names of what bystanders call, in the same thread; `BYSTANDERS` by default.
    """
    probed = case.workload.times.keys()
    everybody = [Bystander(WORKLOADS[name]) for name in calls] or BYSTANDERS
    callers = [each for each in everybody if not probed & each.workload.times.keys()]
    return [replace(case, caller=each, after_detach=True) for each in (None, *callers)]
