"""The machines that people contributed, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ebpf_overhead.hooks.cases import reference_grid
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import measured
from ebpf_overhead.report.table import with_width
from ebpf_overhead.site.cells import EntranceTable
from ebpf_overhead.studies.grid.contribution import Contribution, read_contribution

_ABOUT = "ns per call, undisturbed, with half of the 99 % interval"


def tables(folder: Path) -> Iterator[EntranceTable]:
    """Yield a table for each program: attach types by machines; none without contributions.

    Parameters
    ----------
    folder : Path
        results/machines.

    Raises
    ------
    BadUseError
        A file is no contribution, or proves nothing.
    """
    found = [read_contribution(path) for path in sorted(folder.glob("*.json"))]
    for program in dict.fromkeys(case.program.name for case in reference_grid()):
        columns = [_overheads(each, program) for each in found]
        attach_types = list(dict.fromkeys(attach for column in columns for attach in column))
        if attach_types:
            yield EntranceTable(
                f"{program}: what each machine pays",
                _ABOUT,
                ("attach type", *map(_name, found)),
                [
                    [attach, *(column.get(attach, "n/a") for column in columns)]
                    for attach in attach_types
                ],
            )


def _overheads(contribution: Contribution, program: str) -> dict[str, str]:
    return {
        row["attach"]: with_width(Interval(**row["overhead"]))
        for row in measured(contribution.record)
        if row["program"] == program
    }


def _name(contribution: Contribution) -> str:
    machine = contribution.record["machine"]
    cpu, release = machine["cpu"]["model"], machine["kernel"]["release"]
    return f"{cpu}, Linux {release} ({contribution.date})"
