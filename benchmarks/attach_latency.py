"""How long load, attach and detach take, and whether calls stall (docs/attach-latency.md).

Not part of ``make bench``: ``asv run --bench '^attach_latency'``.
"""

from __future__ import annotations

from math import nan

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.attach_latency import run
from ebpf_overhead.cases import ATTACH_TYPES

from .common import counts_instructions

_ROUNDS = 15


class _Operations:
    """Each operation at each attach type; all are measured in one go."""

    params = (list(run.OPERATIONS), list(ATTACH_TYPES))
    param_names = ("operation", "attach")
    timeout = 600

    def setup(self, cache: dict[str, run.Latencies], operation: str, attach: str) -> None:
        if not cache:
            raise SkipNotImplemented("not by this machine's clock: the other class has it")
        found = cache[attach]
        if found.status == "failed":
            raise RuntimeError(found.reason)
        if found.status != "measured":
            raise SkipNotImplemented(f"{found.status}: {found.reason}")
        self.timings = found.timings[operation]


class Latency(_Operations):
    """In ns, from the beginning to the end."""

    def setup_cache(self) -> dict[str, run.Latencies]:
        return {} if counts_instructions() else _measured()

    def track_elapsed(self, cache: object, operation: str, attach: str) -> dict[str, object]:
        return {"samples": [float(each) for each in self.timings.elapsed_ns], "number": 1}

    track_elapsed.unit = "ns"  # type: ignore[attr-defined]
    track_elapsed.less_is_better = True  # type: ignore[attr-defined]

    def track_longest_gap(self, cache: object, operation: str, attach: str) -> float:
        return float(max(self.timings.gaps_ns, default=nan))

    track_longest_gap.unit = "ns"  # type: ignore[attr-defined]
    track_longest_gap.less_is_better = True  # type: ignore[attr-defined]


class Instructions(_Operations):
    """In instructions of the thread that attaches, in guests."""

    # asv knows a cache by the line of its function: this is another one.
    def setup_cache(self) -> dict[str, run.Latencies]:
        return _measured() if counts_instructions() else {}

    def track_instructions(self, cache: object, operation: str, attach: str) -> float:
        return float(sorted(self.timings.cpu)[len(self.timings.cpu) // 2])

    track_instructions.unit = "instructions"  # type: ignore[attr-defined]
    track_instructions.less_is_better = True  # type: ignore[attr-defined]


def _measured() -> dict[str, run.Latencies]:
    return {each.case.attach.name: each for each in run.measure(run.choose(), _ROUNDS)}
