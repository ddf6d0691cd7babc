"""The entrance: one page with what people ask first, before asv's own pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ebpf_overhead.architectures import X86_64
from ebpf_overhead.asv import results
from ebpf_overhead.asv.history import Step
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, STANDARD_ATTACH_TYPES
from ebpf_overhead.programs.catalogue import STANDARD_PROGRAMS
from ebpf_overhead.reading import read_text
from ebpf_overhead.report.record import Record
from ebpf_overhead.site import cells, grids, machines, matrices
from ebpf_overhead.site.advice import advice
from ebpf_overhead.site.asv_pages import AsvPages
from ebpf_overhead.site.causes import causes
from ebpf_overhead.site.cells import EntranceTable
from ebpf_overhead.site.grids import Grid
from ebpf_overhead.site.places import MeasuredPlace, Row
from ebpf_overhead.workload.workloads import GETPID

_T = TypeVar("_T")
_EMPTY = STANDARD_PROGRAMS[0]
UNITS = {True: "instructions", False: "ns"}


@dataclass(frozen=True)
class Published:
    """What is stored of a configuration: asv's pages, and the places of which they show something.

    Attributes
    ----------
    pages : AsvPages
        asv's pages.
    places : list of MeasuredPlace
        In order.
    """

    pages: AsvPages
    places: list[MeasuredPlace]


def data(
    parts: Sequence[Published], steps: Sequence[Step], root: Path, site: Path
) -> dict[str, Any]:
    """Return all that the entrance shows, as its script reads it.

    Parameters
    ----------
    parts : sequence of Published
        What asv published; kernels first.
    steps : sequence of Step
        Where costs change from kernel to kernel.
    root : Path
        The folder of the project, whose documentation says what results do not.
    site : Path
        The folder of the entrance.
    """
    found = [each for part in parts for each in grids.grids(part.pages, part.places)]
    later = [name for name in STANDARD_ATTACH_TYPES if ATTACH_TYPES[name].system_wide][1:]
    tools = root / "docs/tools.json"
    return {
        "made": date.today().isoformat(),
        "programs": list(STANDARD_PROGRAMS),
        "attachTypes": list(dict.fromkeys((*STANDARD_ATTACH_TYPES, *ATTACH_TYPES))),
        "standard": list(STANDARD_ATTACH_TYPES),
        "dashed": later,
        "workload": GETPID.name,
        "pages": [
            {"name": f"asv: {part.pages.revisions}s", "at": _relative(part.pages, site)}
            for part in parts
        ],
        "grids": [_grid(each, site) for each in found],
        "steps": [*_steps(steps, root / "docs/kernels.md")],
        "bystanders": _tables(parts, matrices.BYSTANDERS, root / "docs/bystanders.md", site),
        "contention": _tables(parts, matrices.SCALING, root / "docs/scaling.md", site),
        "machines": [vars(each) for each in machines.tables(root / "results/machines")],
        "tools": [vars(cells.tools_table(tools))] if tools.exists() else [],
    }


def _relative(pages: AsvPages, site: Path) -> str:
    return f"{pages.folder.relative_to(site).as_posix()}/index.html"


def _grid(grid: Grid, site: Path) -> dict[str, Any]:
    benchmarks = list(dict.fromkeys(each.benchmark for each in grid.series))
    return {
        "unit": UNITS[grid.counted],
        "revisions": grid.pages.revisions,
        "architecture": grid.architecture,
        "title": ", ".join(
            filter(None, (UNITS[grid.counted], f"by {grid.pages.revisions}", grid.architecture))
        ),
        "benchmarks": benchmarks,
        "series": [
            [each.workload, each.attach, each.program, benchmarks.index(each.benchmark), each.index]
            for each in grid.series
        ],
        "places": [_place(grid, each, site) for each in grid.places],
    }


def _place(grid: Grid, place: MeasuredPlace, site: Path) -> dict[str, Any]:
    values = [*_of_series(grid, place.numbers)]
    reasons = _of_series(grid, place.reasons)
    begin = cells.address(grid.pages, place, site)
    record = _record(place)
    overheads = {
        each.attach: value.estimate
        for each, value in zip(grid.series, values, strict=True)
        if value and (each.workload, each.program) == (GETPID.name, _EMPTY)
    }
    return {
        "name": place.name,
        "label": place.label,
        "at": begin,
        "values": [each and each.estimate for each in values],
        "widths": [each and each.half_width for each in values],
        "reasons": {number: each for number, each in enumerate(reasons) if each},
        "reference": record and vars(cells.reference_rows(begin, place, grid.pages, record)),
        "advice": [*advice(overheads, UNITS[grid.counted])],
    }


def _of_series(grid: Grid, read: Callable[[str], Mapping[Row, _T]]) -> Iterator[_T | None]:
    """Yield what a place has of each series: its number, or why it has none."""
    found = {name: read(name) for name in {each.benchmark for each in grid.series}}
    rows = {name: grids.combinations(grid.pages.benchmarks[name]) for name in found}
    for each in grid.series:
        yield found[each.benchmark].get(rows[each.benchmark][each.index])


def _record(place: MeasuredPlace) -> Record | None:
    result = place.results.get(results.REFERENCE[place.counted])
    if result is None:
        return None
    return results.record_of(place.conf_path, result, place.release, counted=place.counted)


def _steps(steps: Sequence[Step], page: Path) -> Iterator[dict[str, Any]]:
    known = [*causes(read_text(page))] if page.exists() else []
    for step in steps:
        before, after = step.before.label, step.after.label
        yield {
            "architecture": step.after.kernel.architecture,
            "before": before,
            "after": after,
            "attach": step.attach,
            "changes": step.changes,
            "causes": [
                each.text
                for each in known
                if step.after.kernel.architecture == X86_64.name  # The page is about that.
                and each.explains(before, after, step.attach)
            ],
        }


def _tables(
    parts: Sequence[Published], parameters: tuple[str, ...], page: Path, site: Path
) -> list[dict[str, Any]]:
    """Return the tables of stored results; those of the documentation where nothing is stored."""
    found: list[EntranceTable] = [
        cells.matrix_table(cells.address(part.pages, matrix.place, site), matrix)
        for part in parts
        for matrix in matrices.matrices(part.pages, part.places, parameters)
    ]
    if not found and page.exists():
        source = f"docs/{page.name}"
        found = [cells.of_page(each, source) for each in matrices.page_tables(read_text(page))]
    return [vars(each) for each in found]
