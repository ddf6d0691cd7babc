"""Tables of the entrance, whose numbers lead to asv's own graphs of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from ebpf_overhead.asv import results
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.reading import read_json
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import with_width
from ebpf_overhead.site import grids
from ebpf_overhead.site.asv_pages import AsvPages, PublishedBenchmark
from ebpf_overhead.site.matrices import Matrix, PageTable
from ebpf_overhead.site.places import MeasuredPlace
from ebpf_overhead.studies.grid import reference

# The call itself, probed, and what the probe adds; counted, and timed.
_REFERENCE = {
    True: tuple(
        f"getpid.Instructions.track_{each}" for each in ("baseline", "instructions", "overhead")
    ),
    False: (
        "getpid.Unprobed.time_getpid",
        "getpid.Probed.time_getpid",
        "getpid.Overhead.track_overhead",
    ),
}
# A row: text, or text and the address that it leads to.
Cells = list["str | tuple[str, str]"]


@dataclass(frozen=True)
class EntranceTable:
    """A table as the page draws it.

    Attributes
    ----------
    title, about : str
        What is said above it; how and when it was measured.
    headings : tuple of str
        Of its columns.
    rows : list of list
        Their cells.
    words : int
        How many columns, from the left, are words.
    below : tuple of str
        What is said below it.
    """

    title: str
    about: str
    headings: tuple[str, ...]
    rows: list[Cells]
    words: int = 1
    below: tuple[str, ...] = ()


def address(pages: AsvPages, place: MeasuredPlace, site: Path) -> str:
    """Return the beginning of the addresses of asv's graphs of a place, seen from the entrance.

    Parameters
    ----------
    pages : AsvPages
        asv's pages.
    place : MeasuredPlace
        Where it was measured.
    site : Path
        The folder of the entrance.
    """
    folder = quote(pages.folder.relative_to(site).as_posix())
    return f"{folder}/index.html#{urlencode({'view': 'explore', **place.filters})}"


def graph(begin: str, benchmark: str, index: int | None) -> str:
    """Return the address of asv's graph of a benchmark, with one of its series chosen."""
    chosen = "" if index is None else f"&params={index}"
    return f"{begin}&bench={quote(benchmark, safe='')}{chosen}"


def reference_rows(
    begin: str, place: MeasuredPlace, pages: AsvPages, record: Record
) -> EntranceTable:
    """Return the ten rows of the reference benchmark at a place."""
    table = reference.table(record)
    baseline, probed, overhead = (pages.benchmarks.get(name) for name in _REFERENCE[place.counted])

    def to(benchmark: PublishedBenchmark | None, row: tuple[str, ...]) -> str:
        found = grids.combinations(benchmark) if benchmark else []
        known = benchmark is not None and row in found
        return graph(begin, benchmark.name, found.index(row)) if benchmark and known else ""

    first = graph(begin, baseline.name, None) if baseline else ""
    targets = [(first, "", "")]
    targets += [(to(probed, row), to(overhead, row), to(overhead, row)) for row in reference.ROWS]
    rows: list[Cells] = [
        [*row[:2], *(row[2:] if row[2] == "n/a" else zip(row[2:], addresses, strict=True))]
        for row, addresses in zip(table.rows, targets, strict=True)
    ]
    about = f"{place.name}, {place.about(results.REFERENCE[place.counted])}"
    return EntranceTable(table.title, about, table.headings, rows, 2, table.below)


def matrix_table(begin: str, matrix: Matrix) -> EntranceTable:
    """Return the table of a matrix."""
    name = matrix.benchmark.name
    write = with_width if name.endswith(grids.OVERHEAD) else "{0.estimate:.0f}".format

    def linked(cell: tuple[Interval, int] | None) -> tuple[str, str]:
        return ("", "") if cell is None else (write(cell[0]), graph(begin, name, cell[1]))

    first, second = matrix.benchmark.param_names
    what = name.rpartition("track_")[2].replace("_", " ")
    return EntranceTable(
        f"{matrix.place.name}: {what} in {matrix.benchmark.unit}, {second} by {first}",
        matrix.place.about(name),
        (first, *map(str, matrix.columns)),
        [
            [str(each), *map(linked, row)]
            for each, row in zip(matrix.rows, matrix.cells, strict=True)
        ],
    )


def of_page(table: PageTable, source: str) -> EntranceTable:
    """Return a table of the documentation."""
    rows: list[Cells] = [[*row] for row in table.rows]
    return EntranceTable(table.title, f"from {source}", tuple(table.headings), rows)


@dataclass(frozen=True)
class _Tool:
    tool: str
    package: str
    status: str
    workload: str = ""
    programs: int = 0
    call: float | None = None
    overhead: float | None = None
    low: float | None = None
    high: float | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Tools:
    command: str
    date: str
    kernel: str
    tools: list[_Tool]


def tools_table(path: Path) -> EntranceTable:
    """Return what whole tools cost, the most expensive first.

    Parameters
    ----------
    path : Path
        docs/tools.json, which `scripts/tools` writes.
    """
    found = read_json(path, _Tools, remedy="restore the file")
    measured = [each for each in found.tools if each.status == "measured" and each.overhead]
    measured.sort(key=lambda each: -(each.overhead or 0))
    headings = ("tool", "package", "workload", "the call itself", "overhead", "percent")
    about = f"instructions per call on {found.kernel}, by {found.command}, {found.date}"
    others = len(found.tools) - len(measured)
    below = (f"{others} more tools have no number, or too small a one: docs/tools.md says why.",)
    return EntranceTable("Whole tools", about, headings, [*map(_tool, measured)], 3, below)


def _tool(tool: _Tool) -> Cells:
    overhead, call = tool.overhead or 0.0, tool.call or 0.0
    half = ((tool.high or overhead) - (tool.low or overhead)) / 2
    width = f" ± {half:,.0f}" if half >= 0.5 else ""
    share = f"{100 * overhead / call:+,.0f} %" if call > 0 else ""
    return [
        tool.tool,
        tool.package,
        tool.workload,
        f"{call:,.0f}",
        f"{overhead:+,.0f}{width}",
        share,
    ]
