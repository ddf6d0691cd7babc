"""What it costs to hand a record to a reader that sleeps in between (docs/delivery.md).

Not part of ``make bench``: ``asv run --bench delivery``.  Guests have one CPU, and under icount
nobody sleeps.
"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.delivery import cells, run

from .common import TIMED, Tracked, require_time

_BUFFERS = [each.name for each in cells.BUFFERS.values() if each.wakes]
_RATES = [1_000, 10_000, 100_000]


class Woken(Tracked):
    """A reader on another CPU, which sleeps until it is woken up."""

    params = (_BUFFERS, _RATES)
    param_names = ("buffer", "rate")
    version = TIMED
    unit = "ns"
    timeout = 60

    def setup(self, buffer: str, rate: int) -> None:
        require_time()
        machine_lock.hold_until_end()
        self.cell = cells.DeliveryCell(cells.BUFFERS[buffer], cells.READERS["woken"], rate)

    def track_caller(self, buffer: str, rate: int) -> float:
        (found,) = run.measure([self.cell], REFERENCE[0], Sampling(time_s=1.0))
        if found.outcome.status in ("unsupported", "refused"):
            raise SkipNotImplemented(f"{found.outcome.status}: {found.outcome.reason}")
        if found.delivery is None:
            raise RuntimeError(found.outcome.reason)
        return round(found.delivery.caller.estimate, 1)
