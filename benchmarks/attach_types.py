"""What the further attach types cost, on each of their targets (docs/attach-types.md).

Not part of a default run: ``asv run --bench '^attach_types'``.
"""

from __future__ import annotations

from ebpf_overhead.hooks.cases import (
    ATTACH_TYPES,
    GROUPS,
    STANDARD_ATTACH_TYPES,
    STANDARD_PROGRAMS,
    select,
)

from . import common, getpid, targets

_ELSEWHERE = {*STANDARD_ATTACH_TYPES, *GROUPS["tracepoints"]}
_FURTHER = [name for name in ATTACH_TYPES if name not in _ELSEWHERE]
_CASES = select(_FURTHER)
_HOOKS = list(dict.fromkeys(f"{case.workload.name}/{case.attach.name}" for case in _CASES))
_GRID = (_HOOKS, list(STANDARD_PROGRAMS))
_NAMES = ("hook", "program")


@common.versions(
    track_baseline="a539a3c37b0438400dd07c0546d4bd2ed35b6cc8ede7e9ca737a8c4e7fb63049",
    track_instructions="e7b3d4b9c5b6e57ce3b6f4c3145572bb508942f3e629f8d841974875d204bf7f",
    track_overhead="0ca51a5b00bb1458a38d1cf8ad89b4e9257a7bbb8663641cec98b57d0c09e47e",
)
class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests."""

    params = _GRID
    param_names = _NAMES
    timeout = 900

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> common.Counted:
        return common.counted(_CASES)


class Unprobed(targets.Unprobed):
    """A call with nothing attached: the baseline of each target."""

    params = (list(dict.fromkeys(case.workload.name for case in _CASES)),)


class Probed(common.ProbedPerCall):
    """A call with one program attached."""

    params = _GRID
    param_names = _NAMES

    def time_call(self, hook: str, program: str) -> None:
        self.window()


class Overhead(getpid.Overhead):
    """What the program adds to a call: paired difference of probed and baseline windows."""

    params = _GRID
    param_names = _NAMES
    timeout = 900

    def setup_cache(self) -> common.Counted:
        return common.timed(_CASES)
