"""Results that asv stored, as a record for the same tables."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ebpf_overhead.asv import stored
from ebpf_overhead.asv.stored import Reasons
from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.measure.stats import CONFIDENCE
from ebpf_overhead.report.record import Record

_UNPROBED = "getpid.Unprobed.time_getpid"
_PROBED = "getpid.Probed.time_getpid"
_WITH_OVERHEAD = "getpid.Overhead.track_"
_OVERHEAD = f"{_WITH_OVERHEAD}overhead"
_COUNTED = "getpid.Instructions.track_"
# What a result of the reference grid has, by whether it was counted or timed.
REFERENCE = {True: f"{_COUNTED}overhead", False: _OVERHEAD}
_STATUS_MEASURED = {"status": "measured", "reason": None, "remedy": None}


def latest_record(
    conf_path: Path,
    commit: str | None = None,
    kernel: str | None = None,
    machine: str | None = None,
) -> Record:
    """Return the newest results of a kernel as a record.

    Parameters
    ----------
    conf_path : Path
        asv's configuration file.
    commit : str, optional
        Beginning of the hash of the revision measured; any by default.
    kernel : str, optional
        Release measured in a guest, in instructions; the running kernel by default.
    machine : str, optional
        What asv calls the machine that measured; any by default.

    Returns
    -------
    dict
        A record with what asv keeps: no hits, no single samples.  ``asv_machines`` has
        the machines that have such results, the one of these first.

    Raises
    ------
    BadUseError
        There are no such results.
    FailedError
        A file of asv's is damaged.
    """
    with stored.naming_files(conf_path):
        return _latest_record(conf_path, commit, kernel, machine)


def _latest_record(
    conf_path: Path, commit: str | None, kernel: str | None, machine: str | None
) -> Record:
    release = kernel or os.uname().release
    wanted = REFERENCE[kernel is not None]
    found = [
        result
        for result in stored.usual_results(conf_path)
        # Where a revision is a kernel, no variable names it.
        if result.env_vars.get("KERNEL", release) == release
        and wanted in result.get_all_result_keys()
        and (commit is None or result.commit_hash.startswith(commit))
    ]
    machines = {str(result.params.get("machine")) for result in found}
    if machine is not None and found and machine not in machines:
        raise UnknownNameError("machine with such results", machine, sorted(machines))
    found = [each for each in found if machine in (None, each.params.get("machine"))]
    if not found:
        raise BadUseError(
            f"no results of kernel {release} for {commit or 'any commit'} beside {conf_path}",
            "run `asv run` first",
        )
    newest = max(found, key=stored.measured_at)
    measured_on = str(newest.params.get("machine"))
    others = sorted(machines - {measured_on})
    record = record_of(conf_path, newest, release, counted=kernel is not None)
    return {**record, "asv_machines": [measured_on, *others]}


def record_of(conf_path: Path, result: Any, release: str, *, counted: bool) -> Record:
    """Return a result of the reference grid as a record, with what asv keeps.

    Parameters
    ----------
    conf_path : Path
        asv's configuration.
    result : asv.results.Results
        One of `stored.stored_results`.
    release : str
        The kernel.
    counted : bool
        Whether to take its instructions or its times.
    """
    make = _counted_cases if counted else _timed_cases
    return {
        "machine": {"kernel": {"release": release}},
        "commit": result.commit_hash,
        "cases": make(result, stored.reasons_of(conf_path, result)),
    }


def _timed_cases(result: Any, reasons: Reasons) -> list[dict[str, Any]]:
    names = [_WITH_OVERHEAD + each for each in ("baseline", "probed", "overhead")]
    baseline, probed, overhead = (stored.by_parameters(result, name) for name in names)
    apart_baseline = stored.by_parameters(result, _UNPROBED).get((), {})
    apart_probed = stored.by_parameters(result, _PROBED)
    cases = []
    for row, stats in overhead.items():
        before, after, apart = baseline.get(row), probed.get(row), apart_probed.get(row)
        if before and after and stats:
            found = _timed(before["value"], after["value"], stats)
        elif apart_baseline and apart and stats:
            found = _timed(apart_baseline["value"] * 1e9, apart["value"] * 1e9, stats)
            found["apart"] = True
        else:
            found = _unmeasured(reasons, [(_OVERHEAD, *row), (_PROBED, *row), (_UNPROBED,)])
        cases.append(_case(row, "ns", found))
    return cases


def _counted_cases(result: Any, reasons: Reasons) -> list[dict[str, Any]]:
    names = [_COUNTED + each for each in ("baseline", "instructions", "overhead")]
    baseline, probed, overhead = (stored.by_parameters(result, name) for name in names)
    cases = []
    for row, stats in overhead.items():
        before, after = baseline.get(row), probed.get(row)
        if before and after and stats:
            found = _counted(before["value"], after["value"], stats["value"])
        else:
            found = _unmeasured(reasons, [(name, *row) for name in names])
        cases.append(_case(row, "instructions", found))
    return cases


def _case(row: tuple[str, ...], unit: str, found: dict[str, Any]) -> dict[str, Any]:
    attach, program = row
    return {"target": "getpid", "attach": attach, "program": program, "unit": unit, **found}


def _counted(baseline: float, probed: float, overhead: float) -> dict[str, Any]:
    return {
        **_STATUS_MEASURED,
        "baseline": {"median": baseline},
        "probed": {"median": probed},
        "overhead": {"estimate": overhead, "confidence": CONFIDENCE},
        "overhead_percent": {"estimate": 100 * overhead / baseline},
    }


def _timed(baseline_ns: float, probed_ns: float, overhead: dict[str, float]) -> dict[str, Any]:
    # asv leaves out bounds that are infinite: too few samples.
    low, high = overhead.get("ci_99_a", -math.inf), overhead.get("ci_99_b", math.inf)
    bounds = {"estimate": overhead["value"], "low": low, "high": high}
    return {
        **_counted(baseline_ns, probed_ns, overhead["value"]),
        "overhead": {**bounds, "confidence": CONFIDENCE},
        "overhead_percent": {name: 100 * value / baseline_ns for name, value in bounds.items()},
    }


def _unmeasured(reasons: Reasons, benchmarks: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """Return the outcome that is stored with the first of the benchmarks that has one."""
    kept = next((reasons[each] for each in benchmarks if each in reasons), "")
    status, _, reason = kept.partition(": ")
    if not reason:
        status, reason = "failed", "no result stored: asv shows why with --show-stderr"
    return {"status": status, "reason": reason, "remedy": None}
