"""How long load, attach and detach take, and whether calls stall (docs/attach-latency.md).

Not part of ``make bench``: ``asv run --bench '^attach_latency'``.
"""

from __future__ import annotations

from math import nan

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.studies.attach_latency import run

from .common import Tracked, counts_instructions, versions

_ROUNDS = 15


class _Operations(Tracked):
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


@versions(
    track_elapsed="417941182316b783b40d8e263267d4bfa41160e4103fd4e73a034a26699f4c07",
    track_longest_gap="d896a89b2529d44f2df11916b62168b7c7d7a45c874bad2c05df9b11eecb3ba0",
)
class Latency(_Operations):
    """In ns, from the beginning to the end."""

    def setup_cache(self) -> dict[str, run.Latencies]:
        return {} if counts_instructions() else _measured()

    def track_elapsed(self, cache: object, operation: str, attach: str) -> dict[str, object]:
        return {"samples": [float(each) for each in self.timings.elapsed_ns], "number": 1}

    track_elapsed.unit = "ns"  # type: ignore[attr-defined]

    def track_longest_gap(self, cache: object, operation: str, attach: str) -> float:
        return float(max(self.timings.gaps_ns, default=nan))

    track_longest_gap.unit = "ns"  # type: ignore[attr-defined]


@versions(
    track_instructions="8eabe3db49be4ef084d651f7eec614230169bb0de90509db9366c950226fd5de",
)
class Instructions(_Operations):
    """In instructions of the thread that attaches, in guests."""

    # asv knows a cache by the line of its function: this is another one.
    def setup_cache(self) -> dict[str, run.Latencies]:
        return _measured() if counts_instructions() else {}

    def track_instructions(self, cache: object, operation: str, attach: str) -> float:
        return float(sorted(self.timings.cpu)[len(self.timings.cpu) // 2])

    track_instructions.unit = "instructions"  # type: ignore[attr-defined]


def _measured() -> dict[str, run.Latencies]:
    machine_lock.hold_until_end()
    return {each.case.attach.name: each for each in run.measure(run.choose(), _ROUNDS)}
