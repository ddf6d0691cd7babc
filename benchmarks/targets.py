"""What a probe adds to dearer system calls than getpid (docs/targets.md).

Not part of ``make bench``: ``asv run --bench targets``.
"""

from __future__ import annotations

from ebpf_overhead.cases import TARGETS, select
from ebpf_overhead.percall import Window
from ebpf_overhead.targets import require

from . import getpid
from .common import GRID, GRID_NAMES, Counted, PerCall, counted, require_time, skip_unmeasurable

_DEARER = [name for name, each in TARGETS.items() if each.kind == "syscall" and name != "getpid"]


class Instructions(getpid.Instructions):
    """What the same costs in instructions, where the clock counts them: in guests."""

    params = (*GRID, _DEARER)
    param_names = (*GRID_NAMES, "target")

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> Counted:
        return counted(select(target=_DEARER))


class Unprobed(PerCall):
    """A call with nothing attached: the baseline of each target."""

    params = (_DEARER,)
    param_names = ("target",)

    def setup(self, target: str) -> None:
        require_time()
        with skip_unmeasurable():
            require(TARGETS[target])
        self.window = Window(target)

    def time_call(self, target: str) -> None:
        self.window()


class Overhead(getpid.Overhead):
    """What the program adds to a call: paired difference of probed and baseline windows."""

    params = (*GRID, _DEARER)
    param_names = (*GRID_NAMES, "target")
