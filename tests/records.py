"""A run's record made by hand: every status, round numbers, both kinds of map."""

from __future__ import annotations

import copy
from typing import Any

BLOCKS, WINDOWS_PER_BLOCK, CALLS_PER_WINDOW = 3, 2, 1000

MEASURED: dict[str, Any] = {
    "target": "getpid",
    "attach": "tp_btf",
    "program": "simple",
    "status": "measured",
    "reason": None,
    "remedy": None,
    "unit": "ns",
    "hook": "sys_enter",
    "baseline": {"median": 100.0, "q1": 99.0, "q3": 101.0},
    "probed": {"median": 150.0, "q1": 149.0, "q3": 152.0},
    "overhead": {"estimate": 50.0, "low": 48.5, "high": 51.5, "confidence": 0.99},
    "overhead_percent": {"estimate": 50.0, "low": 48.5, "high": 51.5},
    "calls": 2000,
    "hits": 2000,
    "runs_per_call": 1,
    "hits_slack": 0,
    "foreign_hits": 12345,
    "missed": 0,
    "loadings": 3,
    "lost_updates": 0,
    "map_entries": 7,
    "map_max_entries": 16384,
    "windows": BLOCKS * WINDOWS_PER_BLOCK,
    "windows_per_block": WINDOWS_PER_BLOCK,
    "calls_per_window": CALLS_PER_WINDOW,
    "stopped_by": "precision",
    "samples": {
        "baseline": [100.0, 100.0, 99.0, 101.0, 101.0, 103.0],
        "probed": [150.0, 150.0, 149.0, 152.0, 151.0, 153.0],
    },
}

# The empty program has no map; this row ran out of time.
EMPTY: dict[str, Any] = {
    **MEASURED,
    "attach": "tracepoint",
    "program": "empty",
    "hook": "syscalls:sys_enter_getpid",
    "baseline": {"median": 102.0, "q1": 101.0, "q3": 103.0},
    "foreign_hits": None,
    "missed": None,
    "lost_updates": None,
    "map_entries": None,
    "map_max_entries": None,
    "stopped_by": "time",
}


def unmeasured(attach: str, status: str, reason: str, remedy: str | None = None) -> dict[str, Any]:
    return {
        "target": "getpid",
        "attach": attach,
        "program": "simple",
        "status": status,
        "reason": reason,
        "remedy": remedy,
        "unit": "ns",
    }


UNSUPPORTED = unmeasured("fentry", "unsupported", "EPERM at load: fentry refused")
REFUSED = unmeasured(
    "raw_tracepoint", "refused", "EPERM at attach: CAP_BPF missing", "run as root, or grant it"
)
FAILED = unmeasured("kprobe", "failed", "did not fire once a call: 0 hits for 1000 calls")


def record() -> dict[str, Any]:
    """A fresh record with a measured row of two programs and every other status."""
    return copy.deepcopy(
        {
            "schema": 2,
            "study": "grid",
            "version": "0.1.0",
            "machine": {
                "kernel": {"release": "6.12.48+deb13-amd64", "architecture": "x86_64"},
                "cpu": {"model": "AMD Ryzen 7 5800X 8-Core Processor"},
            },
            "options": {
                "precision": {"relative": 0.01, "absolute": 1.0},
                "time_s": 0.5,
                "cpu": 3,
                "seed": None,
            },
            "phases_s": {"start": 0.3, "sample": 1.5, "other": 0.2, "total": 2.0},
            "cases": [EMPTY, MEASURED, REFUSED, UNSUPPORTED, FAILED],
        }
    )
