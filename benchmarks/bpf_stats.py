"""What the kernel's run statistics cost, and what they say about a probe (docs/bpf-stats.md).

Not part of ``make bench``: ``asv run --bench '^bpf_stats'``.
"""

from __future__ import annotations

from dataclasses import replace

from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, select
from ebpf_overhead.studies.bpf_stats.study import cases

from . import common

_ATTACH = list(STANDARD_ATTACH_TYPES)
_PROGRAMS = ["empty", "simple"]


class Instructions(common.Tracked):
    """In instructions, where the clock counts them: in guests."""

    params = (_ATTACH, _PROGRAMS)
    param_names = ("attach", "program")
    version = "1"
    unit = "instructions"
    timeout = 300

    def setup_cache(self) -> common.Counted:
        return common.counted(cases(select(_ATTACH, _PROGRAMS, ["getpid"])))

    def setup(self, cache: common.Counted, attach: str, program: str) -> None:
        case = common.case_of(attach, program)
        self.off = common.cached(cache, case.name)
        self.on = common.cached(cache, replace(case, statistics=True).name)

    def track_cost(self, cache: object, attach: str, program: str) -> float:
        return round(self.on.overhead.estimate - self.off.overhead.estimate, 1)

    def track_reported(self, cache: object, attach: str, program: str) -> float:
        assert self.on.run_time_reported is not None
        return round(self.on.run_time_reported, 1)
