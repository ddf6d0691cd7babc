"""Which benchmarks are numbers of the heat map, and where asv's pages have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.site.asv_pages import AsvPages, PublishedBenchmark
from ebpf_overhead.site.grids import combinations, grids


@dataclass
class Numbers:
    """A place that has some numbers."""

    found: dict
    counted: bool = True
    why: dict = field(default_factory=dict)
    architecture: str = "x86_64"

    def numbers(self, benchmark):
        return {row: Interval(1, 1, 1, 0.99) for row in self.found.get(benchmark, ())}

    def reasons(self, benchmark):
        return self.why.get(benchmark, {})


def pages(**benchmarks):
    found = {
        name.replace("__", "."): PublishedBenchmark(
            name.replace("__", "."), "instructions", list(params), [*map(list, params.values())]
        )
        for name, params in benchmarks.items()
    }
    return AsvPages(Path("asv.kernels.json"), Path("html"), found)


TWO = {"attach": ["'fentry'", "'kprobe'"], "program": ["'empty'", "'simple'"]}


def test_combinations_are_counted_as_asv_does():
    (benchmark,) = pages(a__B__track_overhead=TWO).benchmarks.values()
    assert combinations(benchmark)[2] == ("kprobe", "empty")


@pytest.mark.parametrize(
    ("params", "row", "expected"),
    [
        (TWO, ("kprobe", "empty"), ("getpid", "kprobe", "empty", 2)),
        (
            {"hook": ["'function/uprobe'", "'fexit'"], "program": ["'empty'"]},
            ("function/uprobe", "empty"),
            ("function", "uprobe", "empty", 0),
        ),
        (
            {"hook": ["'function/uprobe'", "'fexit'"], "program": ["'empty'"]},
            ("fexit", "empty"),
            ("getpid", "fexit", "empty", 1),
        ),
        (
            {**TWO, "target": ["'read'"]},
            ("fentry", "simple", "read"),
            ("read", "fentry", "simple", 1),
        ),
    ],
)
def test_a_probe_on_a_workload_is_a_series(params, row, expected):
    place = Numbers({"x.Instructions.track_overhead": [row]})
    (grid,) = grids(pages(x__Instructions__track_overhead=params), [place])
    (found,) = grid.series
    assert (found.workload, found.attach, found.program, found.index) == expected


@pytest.mark.parametrize(
    "params",
    [{"attach": ["'a'"], "caller": ["'b'"]}, {"attach": ["'a'"], "programs": ["2"]}, {}],
)
def test_benchmarks_of_something_else_are_not(params):
    rows = [("a", "b"), ("a", 2), ()]
    place = Numbers({"x.Instructions.track_overhead": rows})
    assert list(grids(pages(x__Instructions__track_overhead=params), [place])) == []


def test_a_probe_that_two_benchmarks_have_is_there_once_and_getpids_own():
    row = ("fentry", "empty")
    names = ("programs.Instructions.track_overhead", "getpid.Instructions.track_overhead")
    known = pages(
        programs__Instructions__track_overhead=TWO, getpid__Instructions__track_overhead=TWO
    )
    (grid,) = grids(known, [Numbers({name: [row] for name in names})])
    assert [each.benchmark for each in grid.series] == [names[1]]


def test_what_has_a_reason_instead_of_a_number_is_there():
    name = "getpid.Instructions.track_overhead"
    place = Numbers({}, why={name: {("kprobe", "simple"): "unsupported: none"}})
    (grid,) = grids(pages(getpid__Instructions__track_overhead=TWO), [place])
    assert [each.attach for each in grid.series] == ["kprobe"]


def test_kernels_of_two_architectures_are_two_grids():
    found = {"x.Instructions.track_overhead": [("kprobe", "empty")]}
    places = [Numbers(found, architecture=each) for each in ("arm64", "x86_64", "arm64")]
    both = [*grids(pages(x__Instructions__track_overhead=TWO), places)]
    assert [(each.architecture, len(each.places)) for each in both] == [("x86_64", 1), ("arm64", 2)]
