"""What a probe costs when many CPUs call at once (docs/scaling.md).

Not part of ``make bench``: ``asv run --bench scaling``.  Under icount there is nothing to see.
"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.scaling import run as scaling

from .common import TIMED, Tracked

# The same on every machine: more than there are is skipped.
_COUNTS = [2, 4, 8, 16, 32, 64]


class Together(Tracked):
    """Programs attached to tp_btf, on so many CPUs at once."""

    params = (list(scaling.SHARING), _COUNTS)
    param_names = ("program", "cpus")
    version = TIMED
    timeout = 60

    def setup(self, program: str, cpus: int) -> None:
        try:
            scaling.require()
            self.counts = scaling.choose_counts([cpus])
        except (UnsupportedError, BadUseError) as error:
            raise SkipNotImplemented(str(error)) from error
        machine_lock.hold_until_end()

    def _point(self, program: str) -> scaling.Point:
        cases = scaling.select(REFERENCE[0], [program])
        (result,) = scaling.measure(cases, self.counts, Sampling(time_s=1.0))
        if result.status in ("unsupported", "refused"):
            raise SkipNotImplemented(f"{result.status}: {result.reason}")
        if result.status == "failed":
            raise RuntimeError(result.reason)
        return result.points[-1]

    def track_overhead(self, program: str, cpus: int) -> float:
        return round(self._point(program).overhead.estimate, 1)

    track_overhead.unit = "ns"  # type: ignore[attr-defined]

    def track_efficiency(self, program: str, cpus: int) -> float:
        return round(100 * self._point(program).efficiency.estimate, 1)

    track_efficiency.unit = "%"  # type: ignore[attr-defined]
    track_efficiency.less_is_better = False  # type: ignore[attr-defined]
