"""What several processes measured, one after the other, as one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from ebpf_overhead.measure.processes import of_processes
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.measure.stats import Interval, quartiles
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.report.record import Record

_Row = dict[str, Any]
_OfAll = Callable[[Sequence[_Row], float], _Row]

_SUMS = (
    *("calls", "hits", "foreign_hits", "hits_slack", "missed", "loadings", "lost_updates"),
    *("records_received", "windows", "preempted"),
)
_LEAST, _MOST, _MEANS = ("calls_per_window",), ("map_entries",), ("run_time_reported",)
_INTERVALS = ("overhead", "overhead_median", "residue")
_LISTS = ("findings", "occupants", "changed")
_SIDES = ("baseline", "probed")
# The processes measured on one CPU.
_NOISE_MOST = ("interrupts_per_s", "stolen_share", "siblings_share", "others_share")
_NOISE_SUMS = ("seconds", "throttled")


def combined(records: Sequence[Record]) -> Record:
    """Return the record of what several processes measured; a single one stays as it is.

    Parameters
    ----------
    records : sequence of dict
        One of each process, all of the same cases.
    """
    first, *others = records
    if not others:
        return first
    options = first["options"]
    scatter = Scatter(**options["scatter"] if options.get("scatter") else {})
    precision = Precision(**options["precision"])

    def of_all(found: Sequence[_Row], per_call: float) -> _Row:
        return asdict(of_processes([Interval(**each) for each in found], scatter, per_call))

    phases_s: Counter[str] = Counter()
    for record in records:
        phases_s.update(record.get("phases_s", {}))
    return {
        **first,
        "phases_s": {name: round(seconds, 3) for name, seconds in phases_s.items()},
        **_differences(records, of_all),
        **_noise([record["noise"] for record in records if "noise" in record]),
        "processes": len(records),
        "cases": [
            _case(rows, of_all, precision)
            for rows in zip(*(record["cases"] for record in records), strict=True)
        ],
    }


def _differences(records: Sequence[Record], of_all: _OfAll) -> Record:
    """Return the differences that all processes found, if there are any."""
    found: dict[tuple[int, int], list[_Row]] = {}
    for record in records:
        for each in record.get("differences", ()):
            found.setdefault((each["first"]["case"], each["second"]["case"]), []).append(each)
    whole = [
        rows[0]
        | {
            "difference": of_all(
                [row["difference"] for row in rows],
                max(_longest(record["cases"][place]) for record in records for place in places),
            ),
            "paired": all(row["paired"] for row in rows),
        }
        for places, rows in found.items()
        if len(rows) == len(records)
    ]
    return {"differences": whole} if whole else {}


def _noise(found: Sequence[_Row]) -> Record:
    """Return the most that disturbed any process, and what adds up."""
    if not found:
        return {}
    whole = dict(found[0])
    for reduce, names in ((max, _NOISE_MOST), (sum, _NOISE_SUMS)):
        for name in names:
            known = [each[name] for each in found if each[name] is not None]
            whole[name] = reduce(known) if known else None
    return {"noise": whole}


def _case(rows: Sequence[_Row], of_all: _OfAll, precision: Precision) -> _Row:
    """Return the row of a case that each process measured, or why one of them did not."""
    for number, row in enumerate(rows, 1):
        if row["status"] != "measured":
            alike = all(each["status"] == row["status"] for each in rows)
            where = "" if alike else f"in process {number} of {len(rows)}: "
            return {**row, "reason": f"{where}{row['reason']}"}
    whole = dict(rows[0]) | _counted(rows)
    whole |= {
        name: of_all([row[name] for row in rows], max(map(_longest, rows)) * (name == "overhead"))
        for name in _INTERVALS
        if all(name in row for row in rows)
    }
    whole |= _per_call(rows)
    overhead = Interval(**whole["overhead"])
    share = overhead / (whole.get("undisturbed", {}).get("baseline", _median(whole)) / 100)
    percent = asdict(share)
    del percent["confidence"]
    return whole | {
        "overhead_percent": percent,
        "by_process": [row["overhead"] for row in rows],
        "stopped_by": "precision" if precision.reached(overhead) else "time",
    }


def _longest(row: _Row) -> float:
    """Return the call that what varies from run to run is a share of; 0 for instructions."""
    found = row.get("undisturbed")
    return float(max(found[side] for side in _SIDES)) if found else 0.0


def _median(row: _Row) -> float:
    return float(row["baseline"]["median"])


def _counted(rows: Sequence[_Row]) -> _Row:
    """Return what is counted, and what is listed, of all processes."""
    reduced: list[tuple[tuple[str, ...], Callable[[list[Any]], Any]]] = [
        (_SUMS, sum),
        (_LEAST, min),
        (_MOST, max),
        (_MEANS, fmean),
    ]
    found = {
        name: reduce(values)
        for names, reduce in reduced
        for name in names
        if None not in (values := [row.get(name) for row in rows])
    }
    for name in _LISTS:
        if listed := [each for row in rows for each in row.get(name, ())]:
            found[name] = [each for n, each in enumerate(listed) if each not in listed[:n]]
    if any(row.get("statistics") for row in rows):
        found["statistics"] = True
    if any("counted_by" in row for row in rows):
        found["counted_by"] = "copy"
    if "bystander" in rows[0]:
        seen = [row["bystander"] for row in rows]
        found["bystander"] = seen[0] | {
            name: sum(each[name] for each in seen) for name in ("calls", "hits") if name in seen[0]
        }
    return found


def _per_call(rows: Sequence[_Row]) -> _Row:
    """Return what calls took, and every window."""
    samples = {side: [value for row in rows for value in row["samples"][side]] for side in _SIDES}
    found: _Row = {side: asdict(quartiles(samples[side])) for side in _SIDES}
    if "undisturbed" in rows[0]:
        found["undisturbed"] = {
            side: fmean(row["undisturbed"].get(side, 0.0) for row in rows)
            for side in (*_SIDES, "unrest")
        }
    return found | {"samples": samples}
