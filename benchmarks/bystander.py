"""What other system calls and other processes pay for a probe on getpid (docs/bystanders.md).

Not part of ``make bench``: ``asv run --bench bystander``.
"""

from __future__ import annotations

from dataclasses import replace

from ebpf_overhead.hooks.cases import ATTACH_TYPES, select
from ebpf_overhead.measure import bystander
from ebpf_overhead.workload.workloads import GETPID

from . import common

_ATTACH = [name for name, each in ATTACH_TYPES.items() if each.workload_kind == GETPID.kind]
_CALLERS = [each.name for each in bystander.BYSTANDERS]
_PROGRAM = "empty"


@common.versions(
    track_overhead="7906ebe888f649b1b927665d6aa682efc8cdba0e266fc0d09ccebe0cb5405dab",
    track_residue="8a52ea3ebf33c2eeeac322f8b431712fdc137c1f7f00e587d520b2adaa664590",
)
class Instructions(common.Tracked):
    """In instructions, where the clock counts them: in guests."""

    params = (_ATTACH, _CALLERS)
    param_names = ("attach", "caller")
    unit = "instructions"
    timeout = 900

    def setup_cache(self) -> common.Counted:
        cases = [
            view for case in select(_ATTACH, [_PROGRAM]) for view in bystander.seen_by_all(case)
        ]
        return common.counted(cases)

    def setup(self, cache: common.Counted, attach: str, caller: str) -> None:
        case = common.case_of(attach, _PROGRAM)
        self.measurement = common.cached(cache, f"{case.name}, {caller}")

    def track_overhead(self, cache: object, attach: str, caller: str) -> float:
        return round(self.measurement.overhead.estimate, 1)

    def track_residue(self, cache: object, attach: str, caller: str) -> float:
        assert self.measurement.residue is not None
        return round(self.measurement.residue.estimate, 1)


class Overhead(common.Tracked):
    """In ns, per call of the bystander."""

    params = (_ATTACH, _CALLERS)
    param_names = ("attach", "caller")
    version = common.TIMED
    unit = "ns"
    timeout = 900

    def setup_cache(self) -> common.Counted:
        cases = select(_ATTACH, [_PROGRAM])
        return common.timed(
            replace(case, caller=each) for case in cases for each in bystander.BYSTANDERS
        )

    def setup(self, cache: common.Counted, attach: str, caller: str) -> None:
        case = common.case_of(attach, _PROGRAM)
        self.measurement = common.cached(cache, f"{case.name}, {caller}")

    def track_overhead(self, cache: object, attach: str, caller: str) -> dict[str, object]:
        return common.tracked(self.measurement)
