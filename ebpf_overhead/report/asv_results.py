"""Results that asv stored, as a record for the same tables.

Needs asv, which the suite's environment has and an installed package may lack.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ebpf_overhead.attach import Support, try_attach
from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.report.record import Record
from ebpf_overhead.stats import CONFIDENCE

_UNPROBED = "getpid.Unprobed.time_getpid"
_PROBED = "getpid.Probed.time_getpid"
_OVERHEAD = "getpid.Overhead.track_overhead"
_COUNTED = "getpid.Instructions.track_"
_STATUS_MEASURED = {"status": "measured", "reason": None, "remedy": None}


def latest_record(
    conf_path: Path,
    commit: str | None = None,
    attempt: Callable[[str], Support] = try_attach,
    kernel: str | None = None,
) -> Record:
    """Return the newest results of a kernel as a record.

    Parameters
    ----------
    conf_path : Path
        asv's configuration file.
    commit : str, optional
        Beginning of the hash of the project's commit measured; any by default.
    attempt : callable
        Says why an attach type without a result cannot be measured on the running kernel.
    kernel : str, optional
        Release measured in a guest, in instructions; the running kernel by default.

    Returns
    -------
    dict
        A record with what asv keeps: no hits, no single samples.

    Raises
    ------
    BadUseError
        There are no such results.
    """
    release = kernel or os.uname().release
    wanted = _OVERHEAD if kernel is None else f"{_COUNTED}overhead"
    found = [
        result
        for result in stored_results(conf_path)
        if result.env_vars.get("KERNEL") == release
        and wanted in result.get_all_result_keys()
        and (commit is None or result.commit_hash.startswith(commit))
    ]
    if not found:
        raise BadUseError(
            f"no results of kernel {release} for {commit or 'any commit'} beside {conf_path}",
            "run `asv run` first",
        )
    newest = max(found, key=measured_at)
    cases = _timed_cases(newest, attempt) if kernel is None else _counted_cases(newest)
    return {
        "machine": {"kernel": {"release": release}},
        "commit": newest.commit_hash,
        "cases": cases,
    }


def results_folder(conf_path: Path) -> Path:
    """Return the folder in which an asv configuration stores results.

    Raises
    ------
    MissingToolError
        asv is not installed.
    """
    return conf_path.parent / Path(_asv("config").Config.load(str(conf_path)).results_dir)


def stored_results(conf_path: Path) -> Iterator[Any]:
    """Yield the results of an asv configuration, as asv's own objects.

    Raises
    ------
    MissingToolError
        asv is not installed.
    """
    yield from _asv("results").iter_results(str(results_folder(conf_path)))


def _asv(name: str) -> Any:
    try:
        return importlib.import_module(f"asv.{name}")
    except ImportError as error:
        raise MissingToolError(
            "asv not found beside ebpf-overhead", "pip install 'ebpf-overhead[bench]'"
        ) from error


def measured_at(result: Any) -> float:
    """Return when a stored result was measured, in asv's milliseconds since 1970."""
    return float(max(result.started_at.values(), default=0))


def _timed_cases(result: Any, attempt: Callable[[str], Support]) -> list[dict[str, Any]]:
    baseline = by_parameters(result, _UNPROBED).get((), {})
    probed = by_parameters(result, _PROBED)
    overhead = by_parameters(result, _OVERHEAD)
    support: dict[str, Support] = {}
    cases = []
    for attach, program in overhead:
        case = {"target": "getpid", "attach": attach, "program": program, "unit": "ns"}
        stats, probed_stats = overhead[attach, program], probed.get((attach, program))
        if stats and probed_stats and baseline:
            case.update(_measured(baseline, probed_stats, stats))
        else:
            if attach not in support:
                support[attach] = attempt(attach)
            case.update(_unmeasured(support[attach]))
        cases.append(case)
    return cases


def _counted_cases(result: Any) -> list[dict[str, Any]]:
    names = ("baseline", "instructions", "overhead")
    baseline, probed, overhead = (by_parameters(result, _COUNTED + name) for name in names)
    cases = []
    for (attach, program), stats in overhead.items():
        case: dict[str, Any] = {"target": "getpid", "attach": attach, "program": program}
        case["unit"] = "instructions"
        parts = (baseline.get((attach, program)), probed.get((attach, program)), stats)
        if all(parts):
            before, after, difference = (part["value"] for part in parts if part)
            case.update(_STATUS_MEASURED)
            case["baseline"], case["probed"] = {"median": before}, {"median": after}
            case["overhead"] = {"estimate": difference, "confidence": CONFIDENCE}
            case["overhead_percent"] = {"estimate": 100 * difference / before}
        else:
            case.update(_unmeasured(Support("available")))
        cases.append(case)
    return cases


def by_parameters(result: Any, name: str) -> dict[tuple[str, ...], dict[str, float] | None]:
    """Return a benchmark's value and statistics for each combination of its parameters."""
    if name not in result.get_all_result_keys():
        return {}
    params = result.get_result_params(name)
    values = result.get_result_value(name, params)
    stats = result.get_result_stats(name, params)
    combinations = [
        tuple(ast.literal_eval(text) for text in combination)
        for combination in itertools.product(*params)
    ]
    return {
        # asv stores NaN for what was skipped and null for what failed.
        combination: None if value is None or value != value else {**(stat or {}), "value": value}
        for combination, value, stat in zip(combinations, values, stats, strict=True)
    }


def _measured(
    baseline: dict[str, float], probed: dict[str, float], overhead: dict[str, float]
) -> dict[str, Any]:
    baseline_ns = baseline["value"] * 1e9
    bounds = {
        "estimate": overhead["value"],
        # asv leaves out bounds that are infinite: too few samples.
        "low": overhead.get("ci_99_a", -math.inf),
        "high": overhead.get("ci_99_b", math.inf),
    }
    return {
        **_STATUS_MEASURED,
        "baseline": {"median": baseline_ns},
        "probed": {"median": probed["value"] * 1e9},
        "overhead": {**bounds, "confidence": CONFIDENCE},
        "overhead_percent": {name: 100 * value / baseline_ns for name, value in bounds.items()},
    }


def _unmeasured(support: Support) -> dict[str, Any]:
    status, reason = support.status, support.reason
    if status == "available":
        status, reason = "failed", "no result stored: asv shows why with --show-stderr"
    return {"status": status, "reason": reason, "remedy": support.remedy}
