"""What many CPUs pay: the record for JSON, and rows of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.report.record import Record, outcome
from ebpf_overhead.scaling import Point, Scaling
from ebpf_overhead.stats import Interval

HEADINGS = (
    "Program",
    "CPUs",
    "ns/op",
    "Overhead ns/op",
    "M calls/s",
    "Efficiency",
)


def make_record(
    results: Iterable[Scaling], machine: dict[str, Any], phases_s: dict[str, float]
) -> Record:
    """Return the record of a run: times in ns, throughput in calls per second."""
    return {
        "schema": 1,
        "kind": "scaling",
        "version": __version__,
        "machine": machine,
        "phases_s": {name: round(seconds, 3) for name, seconds in phases_s.items()},
        "cases": [_case(result) for result in results],
    }


def _case(result: Scaling) -> dict[str, Any]:
    row = {**outcome(result), "unit": "ns"}
    if result.hits is not None:
        row.update(
            hook=result.hook,
            calls=result.hits.calls,
            hits=result.hits.hits,
            foreign_hits=result.hits.foreign_hits,
            lost_updates=result.lost_updates,
            rounds=result.rounds,
            discarded_rounds=result.discarded_rounds,
            points=[_point(point) for point in result.points],
        )
    return row


def _point(point: Point) -> dict[str, Any]:
    row = dataclasses.asdict(point)
    row["cpus"] = list(point.cpus)
    return row


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row a program and number of CPUs; the unprobed call first."""
    measured = [case for case in record["cases"] if case["status"] == "measured"]
    found: list[tuple[str, ...]] = []
    if measured:
        found += [_unprobed(point) for point in measured[0]["points"]]
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
