"""What a probe adds to more expensive system calls than getpid (docs/workloads.md).

Not part of ``make bench``: ``asv run --bench targets``.
"""

from __future__ import annotations

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.percall import Window
from ebpf_overhead.workload.workloads import BY_COST, GETPID, WORKLOADS, require

from . import getpid
from .common import (
    GRID,
    GRID_NAMES,
    Counted,
    PerCall,
    counted,
    require_time,
    skip_unmeasurable,
    timed,
    versions,
)

_EXPENSIVE = [name for name in BY_COST if name != GETPID.name]


@versions(
    track_baseline="c60fc4f01363c4b065ca4a2d321d0ece9288171d1be389eff0ffbaeba9eece45",
    track_instructions="a11a633578fc235610a00f8629500c4cdc36d9b1e5968c085be31a56767a7990",
    track_overhead="3aac011b568008d0d6bd5e1611123f94769b767fc483d5027a5f26233359a072",
)
class Instructions(getpid.Instructions):
    """What the same costs in instructions, where the clock counts them: in guests."""

    params = (*GRID, _EXPENSIVE)
    param_names = (*GRID_NAMES, "target")

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> Counted:
        return counted(select(workload=_EXPENSIVE))


class Unprobed(PerCall):
    """A call with nothing attached: the baseline of each target."""

    params = (_EXPENSIVE,)
    param_names = ("target",)

    def setup(self, target: str) -> None:
        require_time()
        with skip_unmeasurable():
            require(WORKLOADS[target])
        self.window = Window(target)

    def time_call(self, target: str) -> None:
        self.window()


class Overhead(getpid.Overhead):
    """What the program adds to a call: paired difference of probed and baseline windows."""

    params = (*GRID, _EXPENSIVE)
    param_names = (*GRID_NAMES, "target")
    timeout = 900

    def setup_cache(self) -> Counted:
        return timed(select(workload=_EXPENSIVE))
