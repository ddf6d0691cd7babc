"""What many CPUs pay, as rows of text."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record, measured, unmeasured, why_not
from ebpf_overhead.report.table import Table

HEADINGS = (
    "Program",
    "CPUs",
    "ns/op",
    "Overhead ns/op",
    "M calls/s",
    "Efficiency",
)


def tables(record: Record) -> list[Table]:
    """Return the table of a record: a row per program and number of CPUs."""
    attach = record["cases"][0]["attach"]
    return [Table(f"programs at {attach}, 1 … all CPUs calling at once", HEADINGS, rows(record))]


def notes(record: Record) -> list[str]:
    """Return why programs were not measured."""
    return [f"{case['program']}: {why_not(case)}" for case in unmeasured(record)]


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row per program and number of CPUs; the unprobed call first."""
    found: list[tuple[str, ...]] = []
    for case in measured(record)[:1]:
        found += [_unprobed(point) for point in case["points"]]
    for case in record["cases"]:
        if case["status"] != "measured":
            found.append((case["program"], "", "n/a", case["status"], "", ""))
        else:
            found += [_row(case["program"], point) for point in case["points"]]
    return found


def _unprobed(point: dict[str, Any]) -> tuple[str, ...]:
    return (
        "no probe",
        str(len(point["cpus"])),
        f"{point['baseline']['median']:.1f}",
        "",
        *_throughput(point, "baseline_"),
    )


def _row(program: str, point: dict[str, Any]) -> tuple[str, ...]:
    overhead = Interval(**point["overhead"])
    return (
        program,
        str(len(point["cpus"])),
        f"{point['probed']['median']:.1f}",
        f"{overhead.estimate:+.0f} ± {overhead.half_width:.0f}",
        *_throughput(point, ""),
    )


def _throughput(point: dict[str, Any], prefix: str) -> tuple[str, str]:
    efficiency = point[f"{prefix}efficiency"]
    rate = f"{point[f'{prefix}throughput']['estimate'] / 1e6:.2f}"
    if len(point["cpus"]) == 1:
        return rate, ""
    share = Interval(**efficiency)
    return rate, f"{share.estimate:.0%} ± {share.half_width:.0%}"
