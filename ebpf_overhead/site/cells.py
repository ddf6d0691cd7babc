"""Tables of the entrance, whose numbers lead to asv's own graphs of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from ebpf_overhead.asv import results
from ebpf_overhead.reading import read_json
from ebpf_overhead.report.record import Record
from ebpf_overhead.site.asv_pages import AsvPages
from ebpf_overhead.site.matrices import Matrix, PageTable
from ebpf_overhead.site.places import Place
from ebpf_overhead.studies.grid import reference

_BASELINES = {True: "getpid.Instructions.track_baseline", False: "getpid.Unprobed.time_getpid"}


@dataclass(frozen=True)
class EntranceTable:
    """A table as the page draws it.

    Attributes
    ----------
    title, about : str
        What is said above it; how and when it was measured.
    headings : tuple of str
        Of its columns.
    rows : list
        Cells: text, or text and the address that it leads to.
    words : int
        How many columns, from the left, are words.
    below : tuple of str
        What is said below it.
    """

    title: str
    about: str
    headings: tuple[str, ...]
    rows: list[list[str | tuple[str, str]]]
    words: int = 1
    below: tuple[str, ...] = ()


def address(pages: AsvPages, place: Place, site: Path) -> str:
    """Return the beginning of the addresses of asv's graphs of a place, seen from the entrance.

    Parameters
    ----------
    pages : AsvPages
        asv's pages.
    place : Place
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


def reference_rows(begin: str, place: Place, pages: AsvPages, record: Record) -> EntranceTable:
    """Return the ten rows of the reference benchmark at a place."""
    table = reference.table(record)
    name = results.REFERENCE[place.counted]
    params = pages.benchmarks[name].params
    index = {
        (attach, program): number_a * len(params[1]) + number_b
        for number_a, attach in enumerate(params[0])
        for number_b, program in enumerate(params[1])
    }
    targets = [
        _BASELINES[place.counted] in pages.benchmarks
        and graph(begin, _BASELINES[place.counted], None)
    ]
    targets += [graph(begin, name, index[repr(a), repr(b)]) for a, b in reference.ROWS]
    rows: list[list[str | tuple[str, str]]] = [
        [*row[:2], *((cell, to) if cell and to else cell for cell in row[2:])]
        for row, to in zip(table.rows, targets, strict=True)
    ]
    return EntranceTable(table.title, place.about, table.headings, rows, 2, table.below)


def matrix_table(begin: str, matrix: Matrix) -> EntranceTable:
    """Return the table of a matrix."""
    benchmark = matrix.benchmark
    rows: list[list[str | tuple[str, str]]] = [
        [str(name), *("" if cell is None else _linked(begin, benchmark.name, cell) for cell in row)]
        for name, row in zip(matrix.rows, matrix.cells, strict=True)
    ]
    first, second = benchmark.param_names
    what = benchmark.name.rpartition("track_")[2].replace("_", " ")
    title = f"{matrix.place.name}: {what} in {benchmark.unit}, {second} by {first}"
    headings = (first, *map(str, matrix.columns))
    return EntranceTable(title, matrix.place.about, headings, rows)


def _linked(begin: str, benchmark: str, cell: tuple[float, float | None, int]) -> tuple[str, str]:
    value, half, index = cell
    width = f" ± {half:.0f}" if half is not None and half >= 0.5 else ""
    return f"{value:+.0f}{width}".replace("-0", "+0"), graph(begin, benchmark, index)


def of_page(table: PageTable, source: str) -> EntranceTable:
    """Return a table of the documentation."""
    rows: list[list[str | tuple[str, str]]] = [[*row] for row in table.rows]
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


def _tool(tool: _Tool) -> list[str | tuple[str, str]]:
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
