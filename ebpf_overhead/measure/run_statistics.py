"""The kernel's run statistics, held on between the samples of one case and those of the next."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from ebpf_overhead.bpf import syscall
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.workload import clock


class RunStatistics(Closing):
    """Keeps them on for proofs that follow each other, where instructions are counted.

    To switch them, the kernel patches each place that runs BPF programs: about 150 in 6.12, each
    in three steps that change the address space twice.  An emulated CPU forgets its translated
    addresses each time.  A case needs them on four times.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        self._are_on = False

    def on(self) -> None:
        """Switch them on; does nothing where that is refused, or where time is measured."""
        if self._are_on or clock.current().layout_sensitive:
            return
        with suppress(OSError, OverheadError):
            self._held.enter_context(syscall.counting_runs())
            self._are_on = True

    def close(self) -> None:
        """Let go of them, before anything is sampled and at the end."""
        self._held.close()
        self._are_on = False
