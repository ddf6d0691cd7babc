"""What the programs of the grid add to calls of every workload, in guests (docs/workloads.md).

Not part of a default run: ``ebpf-overhead kernels measure 6.12 --bench '^workloads'``.
"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.hooks.attach_types import ALL_CALLS
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, select
from ebpf_overhead.measure.result import Measurement, Sampling
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS, Workload

from . import common, getpid

# The reference's, and the kernel's tracepoint of a system call.
_ATTACH = [name for name in STANDARD_ATTACH_TYPES if name != ALL_CALLS.name]
# What a series shows: half the width of the 99 % interval, of the overhead or in instructions.
_SHARE, _LEAST = 0.02, 1.0
_SHARE_OF_SEVERAL = 0.25
# Their windows are long (docs/architecture.md); seconds per case.
_TIME_OF_SEVERAL_S = 1.0


def _is_alone(workload: Workload) -> bool:
    """Whether the calling task does all of it: what others answer varies from call to call."""
    return workload.checked_calls == Workload.checked_calls


_CALLS = {name: each for name, each in WORKLOADS.items() if each.kind == GETPID.kind}
_WORKLOADS = [name for name, each in _CALLS.items() if _is_alone(each)]
_OF_SEVERAL = [name for name in _CALLS if name not in _WORKLOADS]


def _require_alike(measured: Measurement, share: float) -> None:
    """Skip a row whose calls vary by more than a series could show, with what was found."""
    found = measured.overhead
    if found.half_width > max(_LEAST, share * abs(found.estimate)):
        what = f"{found.estimate:+,.0f} ± {found.half_width:,.0f} instructions"
        raise SkipNotImplemented(f"unsupported: its calls are not alike: {what}")


@common.versions(track_baseline="2", track_instructions="2", track_overhead="2")
class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests.  All are measured in one go.

    A row whose calls vary by more than a series could show is n/a, with what was found.
    """

    params = (_ATTACH, list(STANDARD_PROGRAMS), _WORKLOADS)
    param_names = (*common.GRID_NAMES, "target")
    timeout = 3600

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> common.Counted:
        return common.counted(select(_ATTACH, workload=_WORKLOADS))

    def setup(self, cache: common.Counted, *case: str) -> None:
        super().setup(cache, *case)
        _require_alike(self.measurement, _SHARE)


@common.versions(track_overhead="1")
class SeveralTasks(common.Tracked):
    """The same of calls that other tasks answer: each with its interval, as they vary."""

    params = (_ATTACH, list(STANDARD_PROGRAMS), _OF_SEVERAL)
    param_names = (*common.GRID_NAMES, "target")
    unit = "instructions"
    timeout = 7200

    def setup_cache(self) -> common.Counted:
        sampling = Sampling(time_s=_TIME_OF_SEVERAL_S)
        return common.counted(select(_ATTACH, workload=_OF_SEVERAL), sampling)

    def setup(self, cache: common.Counted, *case: str) -> None:
        self.measurement = common.cached(cache, common.case_of(*case).name)
        _require_alike(self.measurement, _SHARE_OF_SEVERAL)

    def track_overhead(self, cache: object, *case: str) -> dict[str, object]:
        return common.tracked(self.measurement)
