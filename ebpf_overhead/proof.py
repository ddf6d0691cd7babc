"""Proof that a probe fires: the kernel's run count against the calls made.

The kernel counts the runs of every program while statistics are on (about 70 ns a
run, so never inside a timed window).  Where a hook serves other callers too, a second
program, the witness, tells how many of those runs were theirs.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead import _syscalls, bpf, perf, programs
from ebpf_overhead.attach import Probe
from ebpf_overhead.cases import PROGRAMS, STANDARD_PROGRAMS, Target
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.hooks.tracepoints import tracepoint_id

# Tries to read the run count and the witness with nobody else calling in between.
_QUIET_ATTEMPTS = 200
# Calls of the target in a proof.
_CALLS = 1_000
# The same where it is only seen that programs run: each time one is loaded, and for all of
# those beside it, of which there may be 63.
_CALLS_OF_EACH = 100
# Counting passes to make while others call, until one is undisturbed.
_PASSES = 10


@dataclass(frozen=True)
class Hits:
    """How often a program ran, and for whom.

    Attributes
    ----------
    calls : int
        Calls of the target made by the counting pass.
    hits : int
        Runs of the program that were those calls'.
    foreign_hits : int or None
        Runs that were other tasks'; None where nothing could tell.
    slack : int
        By how much ``hits`` is uncertain, because others were calling while the counts
        were read; 0 on a machine that is quiet for a moment.
    runs_per_call : int
        How often the hook runs the program for a call.
    """

    calls: int
    hits: int
    foreign_hits: int | None
    slack: int = 0
    runs_per_call: int = 1

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
        )

    @property
    def expected(self) -> int:
        """What ``hits`` must be."""
        return self.calls * self.runs_per_call

    def check(self, case_name: str) -> None:
        """Raise FailedError unless the program ran as often as it should for every call."""
        if self.hits == 0 and self.expected > self.slack:
            raise FailedError(
                f"{case_name} never fired: 0 hits for {self.calls} calls",
                "attach it where the target passes",
            )
        if abs(self.hits - self.expected) > self.slack:
            often = {1: "once", 2: "twice"}.get(self.runs_per_call, f"{self.runs_per_call} times")
            raise FailedError(
                f"{case_name} did not fire {often} a call: {self.hits} hits for {self.calls} calls"
            )


class Counters(NamedTuple):
    """What the witness saw; the order is that of ``enum counter`` in ``witness.c``.

    The target's are its system calls, both of them where a call makes two, except in
    ``foreign_target``: there it is those that a hook of one system call serves.
    """

    own_target: int
    own_other: int
    foreign_target: int
    foreign_other: int

    def foreign(self, system_wide: bool) -> int:
        """Return the runs of others that a hook of this kind serves."""
        return self.foreign_target + (self.foreign_other if system_wide else 0)


class Witness:
    """The program that tells who calls, attached to a tracepoint of all system calls.

    Parameters
    ----------
    target : Target
        System call whose callers are told apart.
    at_exit : bool
        Watch the ends of system calls instead of their beginnings: a call that began
        before the count may end in it.
    whole_process : bool
        Take the calls of all threads of this process for own, not only the calling thread's.
    thread : int, optional
        Take this thread's calls for own, of whatever process, instead of the calling one's.
    """

    def __init__(
        self,
        target: Target,
        at_exit: bool = False,
        whole_process: bool = False,
        thread: int | None = None,
    ) -> None:
        compiled = _compiled_witness()
        table, subject = compiled.table("witnessed"), compiled.table("subject")
        assert table is not None
        assert subject is not None
        namespace = Path("/proc/self/ns/pid").stat()
        self._subject_map = subject
        self._subject = subject.Leaf(
            namespace.st_dev,
            namespace.st_ino,
            os.getpid() if whole_process else thread or threading.get_native_id(),
            getattr(_syscalls, f"NR_{target.syscall}"),
            getattr(_syscalls, f"NR_{target.second_syscall or target.syscall}"),
            whole_process,
        )
        self._at_exit = at_exit
        # The raw tracepoint has no number of the call at its end; perf's has it in the same place.
        kind = bpf.ProgType.TRACEPOINT if at_exit else bpf.ProgType.RAW_TRACEPOINT
        self._event_id = tracepoint_id("raw_syscalls:sys_exit") if at_exit else 0
        self._prog_fd = compiled.load(kind, "witness")
        self._counters = mmap.mmap(
            table.map_fd, mmap.PAGESIZE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ
        )
        self._compiled = compiled  # owns the map

    def read(self) -> Counters:
        """Return the counters, without a system call."""
        return Counters(*struct.unpack_from("=4Q", self._counters, 0))

    @contextmanager
    def attached(self) -> Iterator[Witness]:
        """Count while the block runs."""
        # Witnesses of several targets share the map: the last one opened would hold.
        self._subject_map[0] = self._subject
        if self._at_exit:
            link = perf.attach(perf.tracepoint(self._event_id), self._prog_fd)
        else:
            link = bpf.raw_tracepoint_open(self._prog_fd, "sys_enter")
        try:
            yield self
        finally:
            os.close(link)

    def close(self) -> None:
        """Unload the program."""
        self._counters.close()
        os.close(self._prog_fd)


def precompile() -> None:
    """Compile the standard programs, for processes forked from this one to find them done.

    Raises
    ------
    OverheadError
        BCC is missing, or the kernel does not let this process create maps.
    """
    for name in STANDARD_PROGRAMS:
        programs.compiled(PROGRAMS[name])
    _compiled_witness()


def open_witness(
    target: Target, at_exit: bool = False, whole_process: bool = False, thread: int | None = None
) -> Witness | None:
    """Return a witness for the calling thread, or another; None where the kernel cannot have one.

    A function of this process needs none.
    """
    if target.syscall is None:
        return None
    try:
        return Witness(target, at_exit, whole_process, thread)
    except OverheadError:
        return None


def prove(probe: Probe, call: Callable[[int], None], witness: Witness | None) -> Hits:
    """Attach a probe and see that it fires once a call, and each that is attached beside it.

    Parameters
    ----------
    probe, call, witness
        As for `count_hits`; the probe stays attached.

    Returns
    -------
    Hits
        Of the probe itself.

    Raises
    ------
    OverheadError
        It cannot be attached here, or does not fire.
    """
    probe.attach()
    hits = count_hits(probe, _CALLS, call, witness)
    hits.check(probe.case.name)
    prove_runs(probe.others, call, ", beside it,")
    return hits


def prove_runs(probes: Sequence[Probe], call: Callable[[int], None], which: str = "") -> None:
    """See that each of several attached programs runs at least as often as it should.

    Parameters
    ----------
    probes : sequence of Probe
        Attached, all of them.
    call : callable
        Makes that many calls of the target.
    which : str
        What a message has behind their names.

    Raises
    ------
    FailedError
        One does not.
    """
    if not probes:
        return
    with bpf.counting_runs():
        before = [bpf.prog_info(each.prog_fd).run_count for each in probes]
        call(_CALLS_OF_EACH)
        after = [bpf.prog_info(each.prog_fd).run_count for each in probes]
    for each, first, last in zip(probes, before, after, strict=True):
        hits = Hits(_CALLS_OF_EACH, 0, None, runs_per_call=each.case.runs_per_call)
        counted = replace(hits, hits=min(last - first, hits.expected))
        counted.check(f"{each.case.name}{which}")


def count_hits(
    probe: Probe,
    calls: int,
    call: Callable[[int], None],
    witness: Witness | None,
    runs_per_call: int | None = None,
) -> Hits:
    """Count how often an attached program runs for a number of calls.

    Parameters
    ----------
    probe : Probe
        Attached program.
    calls : int
        Calls of the target to make.
    call : callable
        Makes that many calls of the target, in the thread that the witness watches.
    witness : Witness or None
        Tells own from foreign runs; without it all runs are taken for own, and a hook that
        serves everybody is only proven to have run at least once a call.
    runs_per_call : int, optional
        How often the program should run for a call; the case's number by default.

    Returns
    -------
    Hits
    """
    expected = probe.case.runs_per_call if runs_per_call is None else runs_per_call
    with bpf.counting_runs():
        if witness is None:
            before = bpf.prog_info(probe.prog_fd).run_count
            call(calls)
            foreign = None if probe.case.target.syscall else 0
            hits = Hits(calls, 0, foreign, runs_per_call=expected)
            runs = bpf.prog_info(probe.prog_fd).run_count - before
            if probe.case.attach.system_wide:
                runs = min(runs, hits.expected)
            return replace(hits, hits=runs)
        # Of each CPU one call may have been between the two programs when either count was read.
        doubtful = 2 * (os.cpu_count() or 1) * probe.case.attach.runs_per_call
        with witness.attached():
            for _ in range(_PASSES):
                hits = _count_with_witness(probe, calls, call, witness, expected)
                off = abs(hits.hits - hits.expected)
                if off == 0 or (not hits.slack and off > doubtful):
                    break
            return hits


def _count_with_witness(
    probe: Probe,
    calls: int,
    call: Callable[[int], None],
    witness: Witness,
    runs_per_call: int,
) -> Hits:
    system_wide = probe.case.attach.system_wide
    runs_before, seen_before, slack_before = _snapshot(probe, witness)
    call(calls)
    runs_after, seen_after, slack_after = _snapshot(probe, witness)
    foreign = seen_after.foreign(system_wide) - seen_before.foreign(system_wide)
    foreign *= probe.case.attach.runs_per_call
    own_other = seen_after.own_other - seen_before.own_other if system_wide else 0
    # A system-wide program that does not run lacks the runs of others, too.
    hits = max(runs_after - runs_before - foreign - own_other, 0)
    slack = slack_before + slack_after
    if foreign:
        # On every other CPU a call may have been between the two programs, at either end.
        slack += 2 * ((os.cpu_count() or 1) - 1)
    slack *= probe.case.attach.runs_per_call
    exact = hits == calls * runs_per_call
    return Hits(calls, hits, foreign, 0 if exact else slack, runs_per_call)


def _snapshot(probe: Probe, witness: Witness) -> tuple[int, Counters, int]:
    """Read the run count and the witness at one moment.

    Returns
    -------
    runs : int
        Runs of the program so far.
    seen : Counters
        What the witness had seen then.
    slack : int
        Foreign runs that fell between the two readings.
    """
    system_wide = probe.case.attach.system_wide
    best: tuple[int, Counters, int] | None = None
    for _ in range(_QUIET_ATTEMPTS):
        before = witness.read()
        runs = bpf.prog_info(probe.prog_fd).run_count
        seen = witness.read()
        slack = seen.foreign(system_wide) - before.foreign(system_wide)
        # Reading the run count is itself one system call, and both have counted it.
        slack += seen.own_other - before.own_other - 1 if system_wide else 0
        if best is None or slack < best[2]:
            best = (runs, seen, slack)
        if slack == 0:
            break
    assert best is not None
    return best


@cache
def _compiled_witness() -> programs.CompiledProgram:
    return programs.compile_source("witness", programs.source_path("witness"))
