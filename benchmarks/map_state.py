"""What a map operation costs, by the map's fill and sizes (docs/map-state.md).

Not part of ``make bench``: ``asv run --bench '^map_state'``.
"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.map_state import run, states

from .common import (
    TIMED,
    Tracked,
    measurement,
    require_instructions,
    require_time,
    tracked,
    versions,
)

# The same on every machine: the ends of every sweep.
_SIZES = {
    size.name: size
    for size in (
        states.Size(),
        states.Size(key_bytes=4),
        states.Size(key_bytes=256),
        states.Size(value_bytes=4096),
        states.Size(entries=1),
        states.Size(entries=1 << 20),
    )
}


class _Cells(Tracked):
    """A state at a size."""

    params = (list(states.STATES), list(_SIZES))
    param_names = ("state", "sizes")
    timeout = 120

    def setup(self, state: str, sizes: str) -> None:
        chosen = run.cells([states.STATES[state]], [_SIZES[sizes]], REFERENCE[0])
        if not chosen:
            raise SkipNotImplemented(f"a map of {sizes} cannot be {state}")
        (found,) = run.measure(chosen, Sampling())
        self.measurement = measurement(found.result)


@versions(
    track_overhead="87303f4efb6e7a829d5b98c3c0e30025a2bba8b6d10e23a93bd77513177f90dc",
)
class Instructions(_Cells):
    """In instructions, in guests: what the map adds is the difference from the state none."""

    unit = "instructions"

    def setup(self, state: str, sizes: str) -> None:
        require_instructions()
        super().setup(state, sizes)

    def track_overhead(self, state: str, sizes: str) -> float:
        return round(self.measurement.overhead.estimate, 1)


class Overhead(_Cells):
    """In ns: paired difference of probed and baseline windows."""

    version = TIMED
    unit = "ns"

    def setup(self, state: str, sizes: str) -> None:
        require_time()
        super().setup(state, sizes)

    def track_overhead(self, state: str, sizes: str) -> dict[str, object]:
        return tracked(self.measurement)
