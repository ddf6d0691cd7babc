"""The grid of ``measure --kernel`` on an old and on the newest kernel, alone and side by side."""

from __future__ import annotations

import itertools
import json

import pytest
from processes import start_command
from tolerances import BEHIND

from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS

# What the issue of repeatable numbers is about: the same to a thousandth, whatever else runs.
TOLERANCE = 0.001
# A window takes 84 instructions of its own, which are a part of each call: of 100 calls or of 200,
# by what a call takes when they are chosen.  They cancel in overheads.
CALL_TOLERANCE = 0.002
CASES = list(itertools.product(STANDARD_PROGRAMS, STANDARD_ATTACH_TYPES))


def measured_at_once(kernels, folder):
    """Measure the grid on several kernels at the same time; return the cases of each by name."""
    paths = [folder / f"{number}.json" for number, _ in enumerate(kernels)]
    runs = [
        start_command("measure", f"--kernel={kernel.release}", "--format=json", f"--output={path}")
        for kernel, path in zip(kernels, paths, strict=True)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=400)
        assert run.returncode == 0, errors
    return [
        {(case["program"], case["attach"]): case for case in json.loads(path.read_text())["cases"]}
        for path in paths
    ]


@pytest.fixture(scope="module")
def grids(kernels, tmp_path_factory):
    """The grid on the oldest and on the newest kernel, measured at the same time."""
    return measured_at_once([kernels[0], kernels[-1]], tmp_path_factory.mktemp("at-once"))


def test_every_row_is_measured_and_proven(grids):
    for grid in grids:
        assert list(grid) == CASES
        for name, case in grid.items():
            assert case["status"] == "measured", (name, case["reason"])
            assert case["unit"] == "instructions"
            assert case["hits"] == case["calls"] >= 2000, name
            assert case["overhead"]["estimate"] > 20, name


def test_numbers_are_the_same_alone_and_beside_another_guest(grids, kernels, tmp_path, note):
    (alone,) = measured_at_once([kernels[0]], tmp_path)
    widest, exact = 0.0, set()
    for name, case in alone.items():
        other = grids[0][name]
        behind = BEHIND if name[0] == "complex" else 0.0
        for what, part, tolerance in (
            ("baseline", "median", CALL_TOLERANCE),
            ("probed", "median", CALL_TOLERANCE),
            ("overhead", "estimate", TOLERANCE),
        ):
            here, there = case[what][part], other[what][part]
            widest = max(widest, abs(here / there - 1))
            if here == pytest.approx(there, rel=tolerance):
                exact.add((name[0], what))
            else:
                assert here == pytest.approx(there, abs=behind), (name, what)
    assert exact == set(itertools.product(STANDARD_PROGRAMS, ("baseline", "probed", "overhead")))
    note(f"alone and beside another guest: rows differ by {100 * widest:.3f} % at most")
