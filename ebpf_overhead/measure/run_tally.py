"""What the kernel counted of a program's runs, over all the times it was loaded."""

from __future__ import annotations

from ebpf_overhead.bpf import syscall


class RunTally:
    """The sum of what was counted while each loading of a program was measured.

    Parameters
    ----------
    info : ProgInfo
        What the kernel has counted of the first loading when measuring begins.

    Attributes
    ----------
    loadings : int
        How many there were.
    """

    def __init__(self, info: syscall.ProgInfo) -> None:
        self._begun = info
        self._runs = 0
        self._run_time_ns = 0
        self._missed: int | None = 0
        self.loadings = 1

    def begin(self, info: syscall.ProgInfo) -> None:
        """Count another loading from here on."""
        self._begun = info
        self.loadings += 1

    def end(self, info: syscall.ProgInfo) -> None:
        """Add what was counted of a loading since it began."""
        begun = self._begun
        if info.prog_id != begun.prog_id:
            # Loaded anew since then, which some kernels need to attach it: its counts began at 0.
            begun = syscall.ProgInfo(
                info.prog_id, 0, 0 if info.recursion_misses is not None else None
            )
        self._runs += info.run_count - begun.run_count
        self._run_time_ns += info.run_time_ns - begun.run_time_ns
        if self._missed is None or info.recursion_misses is None or begun.recursion_misses is None:
            self._missed = None
        else:
            self._missed += info.recursion_misses - begun.recursion_misses

    @property
    def missed(self) -> int | None:
        """Runs left out, as the program ran on that CPU already; None where nothing tells."""
        return self._missed

    @property
    def run_time(self) -> float | None:
        """What the kernel's statistics say of a run; None where they counted none."""
        return self._run_time_ns / self._runs if self._runs > 0 else None
