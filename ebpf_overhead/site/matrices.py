"""Tables of two parameters: who else pays, and what many CPUs pay at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.site.asv_pages import AsvPages, PublishedBenchmark
from ebpf_overhead.site.grids import combinations
from ebpf_overhead.site.places import MeasuredPlace

# Names of the parameters by which the benchmarks of a question are known.
BYSTANDERS = ("attach", "caller")
SCALING = ("program", "cpus")

_TABLE = re.compile(r"^\*\*(.+)\n\n\|(.+)\|\n\| ?-.*\n((?:\|.*\n)+)", re.M)


@dataclass(frozen=True)
class Matrix:
    """What a benchmark of two parameters found at a place.

    Attributes
    ----------
    pages : AsvPages
        asv's pages of it.
    place : MeasuredPlace
        Where it was measured.
    benchmark : PublishedBenchmark
        The benchmark.
    rows, columns : list
        Values of the first and of the second parameter, those that have a number.
    cells : list of list of tuple
        For each row and column the number, and which of the benchmark's combinations it is;
        None where there is no number.
    """

    pages: AsvPages
    place: MeasuredPlace
    benchmark: PublishedBenchmark
    rows: list[Any]
    columns: list[Any]
    cells: list[list[tuple[Interval, int] | None]]


@dataclass(frozen=True)
class PageTable:
    """A table of a page of the documentation.

    Attributes
    ----------
    title : str
        The line above it.
    headings : list of str
        Of its columns.
    rows : list of list of str
        Its cells.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]


def matrices(
    pages: AsvPages, places: Iterable[MeasuredPlace], parameters: tuple[str, ...]
) -> Iterator[Matrix]:
    """Yield what benchmarks with two such parameters found, place by place."""
    chosen = [each for each in pages.benchmarks.values() if tuple(each.param_names) == parameters]
    for place in places:
        for benchmark in chosen:
            if numbers := place.numbers(benchmark.name):
                index = {row: number for number, row in enumerate(combinations(benchmark))}
                known = {row: (value, index[row]) for row, value in numbers.items() if row in index}
                rows, columns = (list(dict.fromkeys(row[axis] for row in known)) for axis in (0, 1))
                cells = [[known.get((row, column)) for column in columns] for row in rows]
                yield Matrix(pages, place, benchmark, rows, columns, cells)


def page_tables(page: str) -> Iterator[PageTable]:
    """Yield the tables of a page that have a title in bold above them.

    Parameters
    ----------
    page : str
        In Markdown.
    """
    for title, headings, rows in _TABLE.findall(page):
        lines = [_cells(line.strip().strip("|")) for line in rows.splitlines()]
        yield PageTable(title.replace("**", ""), _cells(headings), lines)


def _cells(line: str) -> list[str]:
    return [each.strip().replace("\\", "") for each in line.split("|")]
