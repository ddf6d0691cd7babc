"""How often an attached program runs: by the kernel's statistics, or by a copy that counts itself.

The kernel's statistics (``BPF_ENABLE_STATS``, Linux 5.8) need CAP_SYS_ADMIN.  Where this process
lacks it, a copy of the program takes its place while runs are counted.  The copy counts its runs in
an array (:mod:`ebpf_overhead.programs.watching`) and does all that the program does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ebpf_overhead.bpf import statistics, syscall
from ebpf_overhead.hooks.hook import Hook
from ebpf_overhead.hooks.probe import Probe


@contextmanager
def counted(probe: Probe) -> Iterator[Callable[[], int]]:
    """Have the runs of an attached probe counted while the block runs.

    Parameters
    ----------
    probe : Probe
        Attached.  A copy may be there in its place meanwhile.

    Yields
    ------
    callable
        Returns the runs so far.

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
            yield lambda: probe.program.info().run_count


@contextmanager
def _copy_of(probe: Probe) -> Iterator[Callable[[], int]]:
    """Have a copy run that counts itself."""
    with probe.compiled.watched() as copy, Hook(probe.site, copy.load) as hook:
        # A point may take one program only.
        probe.detach()
        try:
            hook.attach()
            yield copy.runs
        finally:
            hook.detach()
            probe.attach()
