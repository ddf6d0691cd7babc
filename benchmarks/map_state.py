"""What a map operation costs, by the map's fill and sizes (docs/map-state.md).

Not part of ``make bench``: ``asv run --bench '^map_state'``.
"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.map_state import run, states
from ebpf_overhead.measure import Options

from .common import TIMED, measurement, require_instructions, require_time, tracked

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


class _Cells:
    """A state at a size."""

    params = (list(states.STATES), list(_SIZES))
    param_names = ("state", "sizes")
    timeout = 120

    def setup(self, state: str, sizes: str) -> None:
        chosen = run.cells([states.STATES[state]], [_SIZES[sizes]], "tp_btf")
        if not chosen:
            raise SkipNotImplemented(f"a map of {sizes} cannot be {state}")
        (found,) = run.measure(chosen, Options())
        self.measurement = measurement(found.result)


class Instructions(_Cells):
    """In instructions, in guests: what the map adds is the difference from the state none."""

    unit = "instructions"

    def setup(self, state: str, sizes: str) -> None:
        require_instructions()
        super().setup(state, sizes)

    def track_overhead(self, state: str, sizes: str) -> float:
        return round(self.measurement.overhead.estimate, 1)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]


class Overhead(_Cells):
    """In ns: paired difference of probed and baseline windows."""

    version = TIMED
    unit = "ns"

    def setup(self, state: str, sizes: str) -> None:
        require_time()
        super().setup(state, sizes)

    def track_overhead(self, state: str, sizes: str) -> dict[str, object]:
        return tracked(self.measurement.samples)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]
