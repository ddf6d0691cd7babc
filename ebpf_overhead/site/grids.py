"""What probes cost, place by place: the numbers of the heat map and the lines."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.architectures import X86_64
from ebpf_overhead.site.asv_pages import AsvPages, PublishedBenchmark
from ebpf_overhead.site.places import MeasuredPlace, Row
from ebpf_overhead.workload.workloads import GETPID

# What a benchmark is called whose numbers are what a probe adds.
OVERHEAD = ".track_overhead"


@dataclass(frozen=True)
class Series:
    """A probe on a workload, which is one number for each place.

    Attributes
    ----------
    workload, attach, program : str
        What is probed by what.
    benchmark : str
        The benchmark of asv's that measures it.
    index : int
        Which of the benchmark's combinations of parameters it is, as asv's pages count them.
    """

    workload: str
    attach: str
    program: str
    benchmark: str
    index: int


@dataclass(frozen=True)
class Grid:
    """The same series at several places, in one unit.

    Attributes
    ----------
    pages : AsvPages
        asv's pages of them.
    counted : bool
        Whether the unit is instructions, and not ns.
    places : list of MeasuredPlace
        In order.
    series : list of Series
        Those that have a number anywhere.
    architecture : str
        That of the places, where they are guests: kernels of two are not compared.
    """

    pages: AsvPages
    counted: bool
    places: list[MeasuredPlace]
    series: list[Series]
    architecture: str = ""


def combinations(benchmark: PublishedBenchmark) -> list[Row]:
    """Return the combinations of a benchmark's parameters, as asv's pages count them."""
    values = [[ast.literal_eval(text) for text in each] for each in benchmark.params]
    return list(itertools.product(*values))


def grids(pages: AsvPages, places: Sequence[MeasuredPlace]) -> Iterator[Grid]:
    """Yield what was counted, and what was timed, of a configuration."""
    for counted in (True, False):
        chosen = [each for each in places if each.counted == counted]
        for architecture in sorted({each.architecture for each in chosen}, key=_x86_64_first):
            here = [each for each in chosen if each.architecture == architecture]
            series = list(_distinct(_all_series(pages, here)))
            if series:
                yield Grid(pages, counted, here, series, architecture)


def _x86_64_first(architecture: str) -> tuple[bool, str]:
    return architecture != X86_64.name, architecture


def _all_series(pages: AsvPages, places: Sequence[MeasuredPlace]) -> Iterator[Series]:
    for benchmark in pages.benchmarks.values():
        if not benchmark.name.endswith(OVERHEAD):
            continue
        known = {row for place in places for row in place.numbers(benchmark.name)}
        known |= {row for place in places for row in place.reasons(benchmark.name)}
        for index, row in enumerate(combinations(benchmark)):
            what = _what(dict(zip(benchmark.param_names, row, strict=False)))
            if what and row in known:
                yield Series(*what, benchmark.name, index)


def _distinct(series: Iterable[Series]) -> Iterator[Series]:
    """Yield each probe once: some belong to the benchmarks of several questions."""
    seen = set()
    ordered = sorted(series, key=lambda each: not each.benchmark.startswith(f"{GETPID.name}."))
    for each in ordered:
        if (what := (each.workload, each.attach, each.program)) not in seen:
            seen.add(what)
            yield each


def _what(parameters: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return workload, attach type and program; None of benchmarks of something else."""
    found = {name: str(value) for name, value in parameters.items()}
    if "hook" in found:
        workload, _, attach = found.pop("hook").rpartition("/")
        found |= {"workload": workload or GETPID.name, "attach": attach}
    found["workload"] = found.pop("target", found.get("workload", GETPID.name))
    if found.keys() != {"workload", "attach", "program"}:
        return None
    return found["workload"], found["attach"], found["program"]
