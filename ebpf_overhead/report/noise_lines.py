"""What is said below the tables of what else the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ebpf_overhead.report.record import Record

# What is worth a word.  A timer that ticks makes up to 1,000 interrupts per second by itself.
_SHARE = 0.02
_OTHERS_SHARE = 0.25
_INTERRUPTS_PER_S = 2_000


def noise_lines(record: Record) -> list[str]:
    """Return what was noticed on the measuring CPU and around it, in at most one line."""
    noise = record.get("noise")
    if noise is None:
        return []
    found = [*_preempted(record["cases"]), *_around(noise)]
    return [f"measured on CPU {noise['cpu']}: {'; '.join(found)}"] if found else []


def _preempted(cases: list[dict[str, Any]]) -> Iterator[str]:
    told = [case for case in cases if "preempted" in case]
    preempted = sum(case["preempted"] for case in told)
    if preempted:
        windows = sum(2 * case["windows"] for case in told)
        yield f"{preempted:,} of {windows:,} windows were preempted by other tasks and left out"


def _around(noise: dict[str, Any]) -> Iterator[str]:
    if (noise["stolen_share"] or 0) >= _SHARE:
        yield f"the hypervisor took {100 * noise['stolen_share']:.0f} % of its time"
    if (noise["siblings_share"] or 0) >= _SHARE:
        yield f"its sibling was {100 * noise['siblings_share']:.0f} % busy"
    if (noise["others_share"] or 0) >= _OTHERS_SHARE:
        yield f"the other CPUs were {100 * noise['others_share']:.0f} % busy"
    if (noise["interrupts_per_s"] or 0) >= _INTERRUPTS_PER_S:
        yield f"{noise['interrupts_per_s']:,.0f} interrupts/s"
    if noise["throttled"]:
        yield f"heat slowed it down {noise['throttled']} times"
    if noise["governor"] not in (None, "performance"):
        yield f"its frequency follows the load (governor {noise['governor']})"
