"""Who else pays while a target is probed: other system calls, and those of another process.

A bystander makes calls that nobody asked to have probed.  What they cost is measured in the
same blocks as the target itself, and the proof has two halves: the probe runs for every call
of the target, and for each of the bystander's or none, as its hook says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ebpf_overhead import _workload, clock
from ebpf_overhead.attach import Probe
from ebpf_overhead.cases import TARGETS, Case, Target
from ebpf_overhead.errors import FailedError
from ebpf_overhead.other_process import OtherProcess
from ebpf_overhead.proof import Hits, count_hits, open_witness
from ebpf_overhead.sampling import Run

_CALLS = 1_000


@dataclass(frozen=True)
class Bystander:
    """Calls that are made beside the target's.

    Attributes
    ----------
    target : Target
        What is called.
    process : str
        ``same``, in the thread that calls the target, or ``other``.
    """

    target: Target
    process: str = "same"

    @property
    def name(self) -> str:
        """Name for people: ``getppid (other process)``."""
        return f"{self.target.name} (other process)" if self.elsewhere else self.target.name

    @property
    def elsewhere(self) -> bool:
        """Whether another process makes the calls."""
        return self.process == "other"

    def runs_per_call(self, case: Case) -> int:
        """Return how often a case's program runs for a call of the bystander."""
        if not case.attach.system_wide:
            return 0
        calls = 2 if self.target.second_syscall else 1
        return calls * case.attach.runs_per_call


_GETPPID = Target("getppid", syscall="getppid")

# The cheapest call besides getpid, a dearer one, and the cheapest again in another process.
BYSTANDERS = (
    Bystander(_GETPPID),
    Bystander(TARGETS["read"]),
    Bystander(_GETPPID, "other"),
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
        """The same in threads that take turns where places matter, if they are elsewhere."""
        if self.bystander.elsewhere and clock.current().places_matter:
            return partial(self.run, in_turns=True)
        return self.run

    def prove(self, probe: Probe, cpu: int) -> Hits:
        """See that an attached probe runs for each of the bystander's calls, or for none.

        Raises
        ------
        FailedError
            It does otherwise.
        """
        case, target = probe.case, self.bystander.target

        def call(calls: int) -> None:
            self.run(target.name, calls, cpu=cpu)

        expected = self.bystander.runs_per_call(case)
        # A hook of all calls serves the bystander's; of others, who else calls the target counts.
        watched = target if case.attach.system_wide else case.target
        witness = open_witness(watched, case.attach.at_exit, thread=self.thread)
        try:
            hits = count_hits(probe, _CALLS, call, witness, expected)
        finally:
            if witness is not None:
                witness.close()
        if abs(hits.hits - hits.expected) > hits.slack:
            raise FailedError(
                f"{case.name} ran {hits.hits} times for {hits.calls} calls of"
                f" {self.bystander.name}, {hits.expected} expected"
            )
        return hits


@contextmanager
def callers(wanted: bool) -> Iterator[Sequence[Caller]]:
    """Have the bystanders ready while the block runs; none unless they are wanted.

    The other process is forked here: before any program is loaded, so that it holds none.
    """
    if not wanted:
        yield ()
        return
    with OtherProcess() as other:
        yield [
            Caller(each, other.run, other.pid) if each.elsewhere else in_this_thread(each)
            for each in BYSTANDERS
        ]


def in_this_thread(bystander: Bystander = BYSTANDERS[0]) -> Caller:
    """Return a bystander that calls in this thread; the cheapest by default."""
    return Caller(bystander, _workload.run, threading.get_native_id())


def beside(case: Case, available: Sequence[Caller]) -> list[Caller]:
    """Return those that are bystanders of a case: they do not call its target."""
    probed = {case.target.syscall, case.target.second_syscall} - {None}
    return [
        each
        for each in available
        if not probed & {each.bystander.target.syscall, each.bystander.target.second_syscall}
    ]
