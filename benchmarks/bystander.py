"""What other system calls and other processes pay for a probe on getpid (docs/bystanders.md).

Not part of ``make bench``: ``asv run --bench bystander``.
"""

from __future__ import annotations

from ebpf_overhead import bystander
from ebpf_overhead.cases import ATTACH_TYPES, GETPID, select
from ebpf_overhead.measure import Options, measure_case, measure_cases

from . import common, getpid

_ATTACH = [name for name, each in ATTACH_TYPES.items() if each.targets == GETPID.kind]
_CALLERS = [each.name for each in bystander.BYSTANDERS]
_PROGRAM = "empty"


class Instructions:
    """In instructions, where the clock counts them: in guests."""

    params = (_ATTACH, _CALLERS)
    param_names = ("attach", "caller")
    unit = "instructions"
    timeout = 900

    def setup_cache(self) -> common.Counted:
        cases = select(_ATTACH, [_PROGRAM])
        return common.counted_results(lambda: measure_cases(cases, Options(bystander=True)))

    def setup(self, cache: common.Counted, attach: str, caller: str) -> None:
        case = common.case_of(attach, _PROGRAM)
        self.measurement = common.cached(cache, f"{case.name}, {caller}")

    def track_overhead(self, cache: object, attach: str, caller: str) -> float:
        return round(self.measurement.overhead.estimate, 1)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]

    def track_residue(self, cache: object, attach: str, caller: str) -> float:
        assert self.measurement.residue is not None
        return round(self.measurement.residue.estimate, 1)

    track_residue.less_is_better = True  # type: ignore[attr-defined]


class Overhead(getpid.Overhead):
    """In ns: paired difference of windows with and without the probe on getpid."""

    params = (_ATTACH, _CALLERS)
    param_names = ("attach", "caller")

    def setup(self, *case: str) -> None:
        super().setup(case[0], _PROGRAM)

    def track_overhead(self, *case: str) -> dict[str, object]:
        with bystander.callers(True) as available:
            (chosen,) = (each for each in available if each.bystander.name == case[1])
            result = measure_case(self.case, Options(), self.witness, caller=chosen)
        return common.tracked(common.measurement(result).samples)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]
