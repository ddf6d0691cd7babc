"""What loaded programs cost, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.estimate.answer import Share
from ebpf_overhead.loaded.usage import Picture, Usage
from ebpf_overhead.stats import Interval

SCHEMA_VERSION = 1


def make_record(seen: Picture, unit: str, release: str) -> dict[str, Any]:
    """Return the record of a picture.

    Parameters
    ----------
    seen : Picture
        What the programs took.
    unit : str
        ``ns`` or ``instructions``, of all that is said of one run or call; shares are of one
        core, 0..1.
    release : str
        The running kernel.
    """
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "tool": "top",
        "kernel": release,
        "cpus": seen.cpus,
        "unit": unit,
        "seconds": round(seen.seconds, 6),
        "programs": [_program(usage) for usage in seen.usages],
        "programs_gone": seen.gone,
        "runs_per_second": seen.runs_per_s,
        "core_share": asdict(seen.total),
        "machine_share": {name: each / seen.cpus for name, each in asdict(seen.total).items()},
        "map_bytes": seen.map_bytes,
        "system_calls": {
            "traced_per_second_at_least": seen.syscalls_per_s,
            "slow_path": _interval(seen.slow_path),
            "core_share": _share(seen.slow_path_share),
        },
        "own": {
            "core_share": seen.own_share,
            "statistics_a_run": _interval(seen.statistics),
            "statistics_core_share": _share(seen.statistics_share),
        },
        "dispatch_not_known": seen.unpriced,
    }


def _program(usage: Usage) -> dict[str, Any]:
    program, details = usage.program, usage.details
    return {
        "id": program.number,
        "tag": program.tag,
        "name": program.name,
        "type": program.kind,
        "hooks": [{"attach": each.attach, "target": each.target} for each in details.attachments],
        "processes": [asdict(each) for each in details.processes],
        "map_ids": list(program.map_ids),
        "map_bytes": usage.map_bytes,
        "run_count": program.run_count,
        "runs_per_second": usage.runs_per_s,
        "missed": program.missed,
        "reported_a_run": usage.run_time_ns,
        "reported_core_share": usage.run_share,
        "left_out_a_run": _interval(usage.dispatch.left_out),
        "left_out_origin": usage.dispatch.origin or None,
        "left_out_core_share": _share(usage.dispatch_share),
        "core_share": asdict(usage.total),
    }


def _share(share: Share | None) -> dict[str, float] | None:
    return None if share is None else asdict(share)


def _interval(value: Interval | None) -> dict[str, float] | None:
    return None if value is None else asdict(value)
