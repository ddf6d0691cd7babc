"""Times of made-up machines, stored as asv stores them, beside a clone's committed kernels."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asv_projects import ROOT

COLUMNS = [
    "result",
    "params",
    "version",
    "started_at",
    "duration",
    "stats_ci_99_a",
    "stats_ci_99_b",
    "stats_q_25",
    "stats_q_75",
    "stats_number",
    "stats_repeat",
]
BENCHMARKS = json.loads((ROOT / "results/kernels/benchmarks.json").read_text())
# What `make bench-all` would leave: 100, 101, 102 … for the combinations of each benchmark.
NAMES = (
    "getpid.Unprobed.time_getpid",
    "getpid.Probed.time_getpid",
    "getpid.Overhead.track_overhead",
    "attach_types.Overhead.track_overhead",
    "bystander.Overhead.track_overhead",
    "scaling.Together.track_overhead",
    "scaling.Together.track_efficiency",
)


def store(
    folder: Path,
    machine: str,
    kernel: str,
    commit: str,
    reasons: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Store results of a machine in a project's folder; what has a reason has no value."""
    results = folder / ".asv/results"
    (results / machine).mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "results/kernels/benchmarks.json", results)
    (results / machine / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))
    name = f"running-kernel-py3.11-KERNEL{kernel}"
    stored = {
        "commit_hash": commit,
        "env_name": name,
        "date": 1_795_000_000_000,
        "params": {"machine": machine, "arch": "x86_64", "python": "3.11"},
        "python": "3.11",
        "requirements": {},
        "env_vars": {"KERNEL": kernel},
        "result_columns": COLUMNS,
        "results": {each: _row(each, (reasons or {}).get(each, {})) for each in NAMES},
        "durations": {},
        "version": 2,
        "reasons": reasons or {},
    }
    (results / machine / f"{commit[:8]}-{name}.json").write_text(json.dumps(stored))


def _row(name: str, reasons: Mapping[str, str]) -> list[Any]:
    benchmark = BENCHMARKS[name]
    params = benchmark["params"]
    keys = [", ".join(each) for each in itertools.product(*params)]
    unit = 1e-9 if benchmark["unit"] == "seconds" else 1.0
    values = [
        float("nan") if key in reasons else (100 + number) * unit for number, key in enumerate(keys)
    ]
    low, high = ([value + by * unit for value in values] for by in (-2, 2))
    low, high = ([None if each != each else each for each in side] for side in (low, high))
    return [values, params, benchmark["version"], 1_795_000_000_000, 1.0, low, high, low, high]
