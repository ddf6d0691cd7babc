"""What several programs on one target cost (docs/cohabitation.md).

Not part of ``make bench``: ``asv run --bench cohabitation``.
"""

from __future__ import annotations

from ebpf_overhead import cohabitation
from ebpf_overhead.company import Beside
from ebpf_overhead.measure import Options

from . import common

_ATTACH = list(cohabitation.ATTACH_TYPES)
_COUNTS = list(cohabitation.COUNTS)
_CASES = cohabitation.choose(_ATTACH, "empty")


class _Counted:
    """In instructions, where the clock counts them: in guests."""

    unit = "instructions"
    timeout = 900

    def name(self, attach: str, other: str, count: int, together: bool) -> str:
        case, others = (common.case_of(each, "empty") for each in (attach, other))
        return f"{case.name}{Beside((others,) * count, together and count > 0)}"

    def overhead(self, cache: common.Counted, name: str) -> float:
        return round(common.cached(cache, name).overhead.estimate, 1)


class Instructions(_Counted):
    """So many programs of one attach type: what the last one adds, and all of them together."""

    params = (_ATTACH, _COUNTS)
    param_names = ("attach", "programs")

    def setup_cache(self) -> common.Counted:
        settings = cohabitation.numbers(_CASES)
        return common.counted_results(lambda: cohabitation.measure(settings, Options()))

    def track_last(self, cache: common.Counted, attach: str, programs: int) -> float:
        return self.overhead(cache, self.name(attach, attach, programs - 1, together=False))

    track_last.less_is_better = True  # type: ignore[attr-defined]

    def track_all(self, cache: common.Counted, attach: str, programs: int) -> float:
        return self.overhead(cache, self.name(attach, attach, programs - 1, together=True))

    track_all.less_is_better = True  # type: ignore[attr-defined]


class MixedInstructions(_Counted):
    """A program beside one of another attach type: what it adds."""

    params = (_ATTACH, _ATTACH)
    param_names = ("attach", "beside")

    # asv knows a cache by the line of its function: this is another one than that above.
    def setup_cache(self) -> common.Counted:
        settings = [each for each in cohabitation.pairs(_CASES) if not each.beside.together]
        return common.counted_results(lambda: cohabitation.measure(settings, Options()))

    def track_second(self, cache: common.Counted, attach: str, beside: str) -> float:
        return self.overhead(cache, self.name(attach, beside, 1, together=False))

    track_second.less_is_better = True  # type: ignore[attr-defined]


class Overhead:
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
        setting = cohabitation.Setting(case, Beside((case,) * (programs - 1), together))
        (result,) = cohabitation.measure([setting], Options())
        return common.tracked(common.measurement(result).samples)

    def track_last(self, attach: str, programs: int) -> dict[str, object]:
        return self._tracked(attach, programs, together=False)

    track_last.less_is_better = True  # type: ignore[attr-defined]

    def track_all(self, attach: str, programs: int) -> dict[str, object]:
        return self._tracked(attach, programs, together=True)

    track_all.less_is_better = True  # type: ignore[attr-defined]
