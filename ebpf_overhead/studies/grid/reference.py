"""The ten rows of the reference benchmark (ebpf_exporter's), as one table in its order."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, REFERENCE
from ebpf_overhead.measure.stats import median
from ebpf_overhead.programs.catalogue import STANDARD_PROGRAMS
from ebpf_overhead.report.record import Record, why_not
from ebpf_overhead.report.table import UNIT_HEADINGS, Table
from ebpf_overhead.studies.grid.tables import per_call
from ebpf_overhead.workload.workloads import GETPID

# The rows of the table below the call itself: attach type and program.
ROWS = [(attach, program) for attach in REFERENCE for program in STANDARD_PROGRAMS]


def table(record: Record) -> Table:
    """Return the call without a probe and the nine probes of the reference benchmark.

    Parameters
    ----------
    record : dict
        A record of the grid, as `measure` writes it or as asv stored it.
    """
    found = {
        (case["attach"], case["program"]): case
        for case in record["cases"]
        if case["target"] == GETPID.name and not {"beside", "bystander"} & case.keys()
    }
    cases = [found[row] for row in ROWS if row in found]
    unit = UNIT_HEADINGS[cases[0]["unit"] if cases else "ns"]
    headings = ("Probe", "Program", unit, f"Overhead {unit}", "Overhead percent")
    reasons = dict.fromkeys(why_not(case) for case in cases if case["status"] != "measured")
    return Table(
        "The ten rows of the reference benchmark",
        headings,
        [_baseline(cases), *(_row(*row, found.get(row)) for row in ROWS)],
        words=(0, 1),
        below=tuple(reasons),
    )


def _baseline(cases: list[dict[str, Any]]) -> tuple[str, ...]:
    values = [per_call(case, "baseline") for case in cases if "overhead" in case]
    return ("no probe", "", f"{median(values):.1f}" if values else "n/a", "", "")


def _row(attach: str, program: str, case: dict[str, Any] | None) -> tuple[str, ...]:
    known = ATTACH_TYPES[attach]
    name = f"{known.reference} ({attach})" if known.called_otherwise else attach
    if case is None or "overhead" not in case:
        return (name, program, "n/a", case["status"] if case else "", "")
    return (
        name,
        program,
        f"{per_call(case, 'probed'):.1f}",
        f"{case['overhead']['estimate']:+.1f}",
        f"{case['overhead_percent']['estimate']:+.0f} %",
    )
