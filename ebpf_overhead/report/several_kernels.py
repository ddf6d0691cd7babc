"""What was measured on several kernels, as one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ebpf_overhead.report.record import Record


def merged(records: Sequence[Record]) -> Record:
    """Return the record of several kernels: each case says on which it was measured.

    Parameters
    ----------
    records : sequence of dict
        One of each kernel; a single one stays as it is.
    """
    first, *others = records
    if not others:
        return first
    cases = [{**case, "kernel": release(record)} for record in records for case in record["cases"]]
    phases_s: Counter[str] = Counter()
    for record in records:
        phases_s.update(record.get("phases_s", {}))
    differences: list[dict[str, Any]] = []
    before = 0
    for record in records:
        differences += (_moved(each, before) for each in record.get("differences", ()))
        before += len(record["cases"])
    ends = [{"cut_short": each["cut_short"]} for each in records if "cut_short" in each]
    machines = [*map(_machine, records)]
    whole = {
        **first,
        "phases_s": {n: round(s, 3) for n, s in phases_s.items()},
        "machines": machines,
        "cases": cases,
    }
    return (
        whole | ({"differences": differences} if differences else {}) | (ends[-1] if ends else {})
    )


def _moved(difference: dict[str, Any], by: int) -> dict[str, Any]:
    """Return a difference whose cases follow so many others."""
    cases = {which: difference[which] for which in ("first", "second")}
    return difference | {n: {**case, "case": case["case"] + by} for n, case in cases.items()}


def release(record: Record) -> str:
    """Return the release of the kernel that a record is of."""
    return str(record["machine"]["kernel"]["release"])


def kernels(record: Record) -> list[str]:
    """Return the releases of the kernels that a record's cases were measured on."""
    named = [case["kernel"] for case in record["cases"] if "kernel" in case]
    return list(dict.fromkeys(named)) or [release(record)]


def _machine(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("machine", "guest") if name in record}
