"""Proof that a probe fires: the kernel's run count against the calls made.

The kernel counts the runs of every program while statistics are on (about 70 ns per
run, so never inside a timed window), or a copy of the program counts its own
(:mod:`ebpf_overhead.hooks.run_counter`).  Where a hook serves other callers too, a second
program, the caller counter, tells how many of those runs were theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from ebpf_overhead.bpf import syscall
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.hooks.run_counter import Runs, counted, runs_of
from ebpf_overhead.measure.caller_counter import CallerCounter, Counters, open_caller_counter
from ebpf_overhead.programs.loaded import LoadedProgram

# Tries to read the run count and the caller counter with nobody else calling in between.
_QUIET_ATTEMPTS = 200
# Counting passes to make while others call, until one is undisturbed.
_PASSES = 10


@dataclass(frozen=True)
class Hits:
    """How often a program ran, and for whom.

    Attributes
    ----------
    calls : int
        Calls of the workload made by the counting pass.
    hits : int
        Runs of the program that were those calls'.
    foreign_hits : int or None
        Runs that were other tasks'; None where nothing could tell.
    slack : int
        By how much ``hits`` is uncertain, because others were calling while the counts
        were read; 0 on a machine that is quiet for a moment.
    runs_per_call : int
        How often the hook runs the program for a call.
    skipped : int
        Runs that the kernel left out, as the program ran on that CPU already.
    """

    calls: int
    hits: int
    foreign_hits: int | None
    slack: int = 0
    runs_per_call: int = 1
    skipped: int = 0

    def __add__(self, other: Hits) -> Hits:
        foreign = None
        if self.foreign_hits is not None and other.foreign_hits is not None:
            foreign = self.foreign_hits + other.foreign_hits
        return Hits(
            self.calls + other.calls,
            self.hits + other.hits,
            foreign,
            self.slack + other.slack,
            self.runs_per_call,
            self.skipped + other.skipped,
        )

    @property
    def expected(self) -> int:
        """What ``hits`` and ``skipped`` must be together."""
        return self.calls * self.runs_per_call

    @property
    def off(self) -> int:
        """By how much they are not, whatever is uncertain."""
        return abs(self.hits + self.skipped - self.expected)

    def check(self, case_name: str) -> None:
        """Raise FailedError unless the program ran as often as it should for every call."""
        if self.hits == 0 and self.expected > self.slack:
            raise FailedError(
                f"{case_name} never fired: 0 hits for {self.calls} calls",
                "attach it where the workload passes",
            )
        if self.off > self.slack:
            often = {1: "once", 2: "twice"}.get(self.runs_per_call, f"{self.runs_per_call} times")
            raise FailedError(
                f"{case_name} did not fire {often} a call: {self.hits} hits for {self.calls} calls"
                + (f", {self.skipped} skipped by the kernel" if self.skipped else "")
            )


def prove(probe: Probe, call: Callable[[int], None], caller_counter: CallerCounter | None) -> Hits:
    """Attach a probe and see that it fires as often as it should.

    Parameters
    ----------
    probe, call, caller_counter
        As for `count_hits`; the probe stays attached.

    Returns
    -------
    Hits

    Raises
    ------
    OverheadError
        It cannot be attached here, or does not fire.
    """
    probe.attach()
    hits = count_hits(probe, probe.case.workload.checked_calls, call, caller_counter)
    hits.check(probe.case.name)
    return hits


def prove_with_counter(probe: Probe, call: Callable[[int], None]) -> Hits:
    """Attach a probe and see the same, with a caller counter that is there meanwhile.

    Parameters
    ----------
    probe, call
        As for `prove`.
    """
    caller_counter = open_caller_counter(probe.case.workload, probe.case.attach.at_exit)
    try:
        return prove(probe, call, caller_counter)
    finally:
        if caller_counter is not None:
            caller_counter.close()


def prove_runs(probes: Sequence[Probe], call: Callable[[int], None], which: str = "") -> None:
    """See that each of several attached programs runs at least as often as it should.

    Parameters
    ----------
    probes : sequence of Probe
        Attached, all of them.
    call, which
        As for `prove_programs`.
    """
    with ExitStack() as stack:
        counts = [(stack.enter_context(counted(each)), each.case) for each in probes]
        _check_all(counts, call, which)


def prove_programs(
    programs: Sequence[tuple[LoadedProgram, Case]], call: Callable[[int], None], which: str = ""
) -> None:
    """See the same of programs, whatever keeps them attached.

    Parameters
    ----------
    programs : sequence of (LoadedProgram, Case)
        Each with the case that says how often it runs; all of one workload.
    call : callable
        Makes that many calls of the workload.
    which : str
        What a message has behind their names.

    Raises
    ------
    FailedError
        One does not.
    RefusedError
        The kernel does not count runs for this process.
    """
    with syscall.counting_runs():
        counts = [(partial(runs_of, program), case) for program, case in programs]
        _check_all(counts, call, which)


def _check_all(
    counts: Sequence[tuple[Callable[[], Runs], Case]], call: Callable[[int], None], which: str
) -> None:
    """Raise unless each program, by what counts its runs, runs at least as often as it should."""
    if not counts:
        return
    calls = counts[0][1].workload.few_calls
    before = [runs() for runs, _ in counts]
    call(calls)
    after = [runs() for runs, _ in counts]
    for (_, case), first, last in zip(counts, before, after, strict=True):
        hits = Hits(calls, 0, None, runs_per_call=case.runs_per_call)
        seen = _with_runs(hits, last.since(first), at_most=hits.expected)
        seen.check(f"{case.name}{which}")


def count_hits(
    probe: Probe,
    calls: int,
    call: Callable[[int], None],
    caller_counter: CallerCounter | None,
    runs_per_call: int | None = None,
) -> Hits:
    """Count how often an attached program runs for a number of calls.

    Parameters
    ----------
    probe : Probe
        Attached program.
    calls : int
        Calls of the workload to make.
    call : callable
        Makes that many calls of the workload, in the thread that the caller counter watches.
    caller_counter : CallerCounter or None
        Tells own from foreign runs; without it all runs are taken for own, and a hook that
        serves everybody is only proven to have run at least once per call.
    runs_per_call : int, optional
        How often the program should run for a call; the case's number by default.

    Returns
    -------
    Hits
    """
    expected = probe.case.runs_per_call if runs_per_call is None else runs_per_call
    if probe.case.attach.everybodys:  # who makes system calls does not tell who passes it
        caller_counter = None
    with counted(probe) as runs_of_it:
        if caller_counter is None:
            everybodys = probe.case.attach.system_wide or probe.case.attach.everybodys
            foreign = None if probe.case.workload.syscall or everybodys else 0
            hits = Hits(calls, 0, foreign, runs_per_call=expected)
            if probe.case.workload.shared and not everybodys:
                return _count_in_process(runs_of_it, hits, call)
            runs = _runs(runs_of_it, calls, call)
            of_others = everybodys or probe.case.runs is not None
            return _with_runs(hits, runs, at_most=hits.expected if of_others else None)
        # Of each CPU one call may have been between the two programs when either count was read.
        doubtful = 2 * (os.cpu_count() or 1) * probe.case.attach.runs_per_call
        with caller_counter.attached():
            for _ in range(_PASSES):
                hits = _count_with_callers(probe, runs_of_it, calls, call, caller_counter, expected)
                if hits.off == 0 or (not hits.slack and hits.off > doubtful):
                    break
            return hits


def _with_runs(hits: Hits, runs: Runs, at_most: int | None) -> Hits:
    """Return them with what was counted, of which only so much may have been the calls'."""
    if at_most is not None and runs.called > at_most:
        made = min(runs.made, at_most)
        runs = Runs(made, at_most - made)
    return replace(hits, hits=runs.made, skipped=runs.skipped)


def _runs(runs: Callable[[], Runs], calls: int, call: Callable[[int], None]) -> Runs:
    before = runs()
    call(calls)
    return runs().since(before)


def _count_in_process(runs: Callable[[], Runs], hits: Hits, call: Callable[[int], None]) -> Hits:
    """Count where other code of this process passes the hook, too.

    It does so as often around twice the calls.
    """
    for _ in range(_PASSES):
        once = _runs(runs, hits.calls, call)
        own = _runs(runs, 2 * hits.calls, call).since(once)
        foreign = max(once.called - own.called, 0)
        hits = replace(hits, hits=own.made, skipped=own.skipped, foreign_hits=foreign)
        if hits.off == 0:
            break
    return hits


def _count_with_callers(
    probe: Probe,
    runs: Callable[[], Runs],
    calls: int,
    call: Callable[[int], None],
    caller_counter: CallerCounter,
    runs_per_call: int,
) -> Hits:
    system_wide = probe.case.attach.system_wide
    not_seen = caller_counter.skipped()
    runs_before, seen_before, slack_before = _snapshot(system_wide, runs, caller_counter)
    call(calls)
    runs_after, seen_after, slack_after = _snapshot(system_wide, runs, caller_counter)
    foreign = seen_after.foreign(system_wide) - seen_before.foreign(system_wide)
    foreign *= probe.case.attach.runs_per_call
    own_other = seen_after.own_other - seen_before.own_other if system_wide else 0
    # A system-wide program that does not run lacks the runs of others, too.
    runs_seen = runs_after.since(runs_before)
    hits = max(runs_seen.made - foreign - own_other, 0)
    slack = slack_before + slack_after + caller_counter.skipped() - not_seen
    if foreign:
        # On every other CPU a call may have been between the two programs, at either end.
        slack += 2 * ((os.cpu_count() or 1) - 1)
    slack *= probe.case.attach.runs_per_call
    found = Hits(calls, hits, foreign, slack, runs_per_call, runs_seen.skipped)
    return replace(found, slack=0) if found.off == 0 else found


def _snapshot(
    system_wide: bool, runs_so_far: Callable[[], Runs], caller_counter: CallerCounter
) -> tuple[Runs, Counters, int]:
    """Read the run count and the caller counter at one moment.

    Returns
    -------
    runs : Runs
        Runs of the program so far.
    seen : Counters
        What the caller counter had seen then.
    slack : int
        Foreign runs that fell between the two readings.
    """
    best: tuple[Runs, Counters, int] | None = None
    for _ in range(_QUIET_ATTEMPTS):
        before = caller_counter.read()
        runs = runs_so_far()
        seen = caller_counter.read()
        slack = seen.foreign(system_wide) - before.foreign(system_wide)
        # Reading the run count is itself one system call, and both have counted it.
        slack += seen.own_other - before.own_other - 1 if system_wide else 0
        if best is None or slack < best[2]:
            best = (runs, seen, slack)
        if slack == 0:
            break
    assert best is not None
    return best
