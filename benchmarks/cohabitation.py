"""What several programs on one target cost (docs/coattachment.md).

Not part of ``make bench``: ``asv run --bench cohabitation``.
"""

from __future__ import annotations

from dataclasses import replace

from ebpf_overhead.hooks.cases import CoAttached
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_cases
from ebpf_overhead.studies.coattachment import cases as choices

from . import common

_ATTACH = list(choices.ATTACH_TYPES)
_COUNTS = list(choices.COUNTS)
_CASES = choices.choose(_ATTACH, "empty")


class _Counted(common.Tracked):
    """In instructions, where the clock counts them: in guests."""

    unit = "instructions"
    timeout = 900

    def name(self, attach: str, other: str, count: int, together: bool) -> str:
        case, others = (common.case_of(each, "empty") for each in (attach, other))
        return f"{case.name}{CoAttached((others,) * count, together and count > 0)}"

    def overhead(self, cache: common.Counted, name: str) -> float:
        return round(common.cached(cache, name).overhead.estimate, 1)


@common.versions(
    track_all="3dc7ed0105e5cf4e74e0d88f24bfa6072c3dffe2ccaddfc9c969aad06b2702e1",
    track_last="93c97be866f727b6ee4b9ef008e789c84e29b5f913cb53c195b16423efbafcbd",
)
class Instructions(_Counted):
    """So many programs of one attach type: what the last one adds, and all of them together."""

    params = (_ATTACH, _COUNTS)
    param_names = ("attach", "programs")

    def setup_cache(self) -> common.Counted:
        return common.counted(choices.numbers(_CASES))

    def track_last(self, cache: common.Counted, attach: str, programs: int) -> float:
        return self.overhead(cache, self.name(attach, attach, programs - 1, together=False))

    def track_all(self, cache: common.Counted, attach: str, programs: int) -> float:
        return self.overhead(cache, self.name(attach, attach, programs - 1, together=True))


@common.versions(
    track_second="a0beb9403e655b7b8e9effeed73b57b2169bd71de7cf2c9f262958905d8a99ef",
)
class MixedInstructions(_Counted):
    """A program beside one of another attach type: what it adds."""

    params = (_ATTACH, _ATTACH)
    param_names = ("attach", "beside")

    # asv knows a cache by the line of its function: this is another one than that above.
    def setup_cache(self) -> common.Counted:
        cases = choices.pairs(_CASES)
        return common.counted(case for case in cases if not case.co_attached.together)

    def track_second(self, cache: common.Counted, attach: str, beside: str) -> float:
        return self.overhead(cache, self.name(attach, beside, 1, together=False))


class Overhead(common.Tracked):
    """In ns: paired difference of windows with and without the last program, or all of them."""

    params = (_ATTACH, _COUNTS)
    param_names = ("attach", "programs")
    version = common.TIMED
    unit = "ns"
    timeout = 120

    def setup(self, attach: str, programs: int) -> None:
        common.require_time()

    def _tracked(self, attach: str, programs: int, together: bool) -> dict[str, object]:
        case = common.case_of(attach, "empty")
        wanted = replace(case, co_attached=CoAttached((case,) * (programs - 1), together))
        (result,) = measure_cases([wanted], Sampling())
        return common.tracked(common.measurement(result))

    def track_last(self, attach: str, programs: int) -> dict[str, object]:
        return self._tracked(attach, programs, together=False)

    def track_all(self, attach: str, programs: int) -> dict[str, object]:
        return self._tracked(attach, programs, together=True)
