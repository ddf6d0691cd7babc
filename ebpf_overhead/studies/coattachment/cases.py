"""Several programs on one workload: what one more costs, and what all of them cost.

Each is a program of its own, loaded and attached for itself, as several tools would do it, and
each is proven to run once per call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ebpf_overhead.hooks import attach_types
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, Case, CoAttached, select
from ebpf_overhead.workload.workloads import GETPID

# 38 programs are the most that one trampoline takes (BPF_MAX_TRAMP_LINKS).
COUNTS = (1, 2, 4, 8, 16, 32, 64)
# The standard ones, and what else a trampoline runs once per call of getpid.
ATTACH_TYPES = tuple(
    name
    for name, each in attach_types.ATTACH_TYPES.items()
    if each.workload_kind == GETPID.kind
    and (name in STANDARD_ATTACH_TYPES or (each.group == "trampolines" and each.runs_per_call == 1))
)


def numbers(cases: Iterable[Case], counts: Iterable[int] = COUNTS) -> list[Case]:
    """Return the cases of so many programs of one attach type.

    For every number there are two: what the last one adds, and what all of them cost.
    """
    return [
        replace(case, co_attached=CoAttached((case,) * (count - 1), together))
        for case in cases
        for count in sorted(set(counts))
        for together in ((False, True) if count > 1 else (False,))
    ]


def pairs(cases: Sequence[Case]) -> list[Case]:
    """Return the cases of each case alone, and of each beside each that has its workload."""
    return [*cases] + [
        replace(case, co_attached=CoAttached((other,), together))
        for case in cases
        for other in cases
        if other.workload == case.workload
        for together in (False, True)
    ]


def choose(attach: Iterable[str], program: str) -> list[Case]:
    """Return the cases of attach types, those of this question by default, with a program."""
    return select(list(attach) or ATTACH_TYPES, [program])
