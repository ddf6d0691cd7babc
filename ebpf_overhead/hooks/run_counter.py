"""How often an attached program runs: by the kernel's statistics, or by a copy that counts itself.

The kernel's statistics (``BPF_ENABLE_STATS``, Linux 5.8) need CAP_SYS_ADMIN.  Where this process
lacks it, a copy of the program takes its place while runs are counted.  The copy counts its runs in
an array (:mod:`ebpf_overhead.programs.watching`) and does all that the program does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ebpf_overhead.bpf import statistics, syscall
from ebpf_overhead.hooks.hook import Hook
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.programs.loaded import LoadedProgram


class Runs(NamedTuple):
    """How often a hook has called a program so far.

    Attributes
    ----------
    made : int
        Runs that were made.
    skipped : int
        Runs that the kernel left out, because the program ran on that CPU already: in a nested
        probe, or in a task that was preempted in the middle of the program.
    """

    made: int
    skipped: int

    @property
    def called(self) -> int:
        """How often the hook called it."""
        return self.made + self.skipped

    def since(self, before: Runs) -> Runs:
        """Return what came after an earlier count."""
        return Runs(self.made - before.made, self.skipped - before.skipped)


def runs_of(program: LoadedProgram) -> Runs:
    """Return what the kernel's statistics say, which are on."""
    info = program.info()
    return Runs(info.run_count, info.recursion_misses or 0)


@contextmanager
def counted(probe: Probe) -> Iterator[Callable[[], Runs]]:
    """Have the runs of an attached probe counted while the block runs.

    Parameters
    ----------
    probe : Probe
        Attached.  A copy may be there in its place meanwhile.

    Yields
    ------
    callable
        Returns the runs so far, by one system call.  A copy does not tell which were skipped.

    Raises
    ------
    OverheadError
        The kernel took the program, but not its copy.
    """
    if statistics.refused():
        with _copy_of(probe) as runs:
            yield runs
    else:
        with syscall.counting_runs():
            yield lambda: runs_of(probe.program)


@contextmanager
def _copy_of(probe: Probe) -> Iterator[Callable[[], Runs]]:
    """Have a copy run that counts itself."""
    with probe.compiled.watched() as copy, Hook(probe.site, copy.load) as hook:
        # A point may take one program only.
        probe.detach()
        try:
            hook.attach()
            yield lambda: Runs(copy.runs(), 0)
        finally:
            hook.detach()
            probe.attach()
