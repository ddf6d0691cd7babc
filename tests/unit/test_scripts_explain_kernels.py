"""The script that writes where the instructions go on each kernel."""

from __future__ import annotations

import pytest
import script_modules


@pytest.fixture(scope="module")
def script():
    return script_modules.load("explain-kernels")


def record(measured: float, **functions: tuple[int, int]) -> dict:
    rows = [
        {"name": name, "unprobed": unprobed, "probed": probed}
        for name, (unprobed, probed) in functions.items()
    ]
    cases = [{"attach": "fentry", "kernel": "6.1.0", "measured": measured, "functions": rows}]
    return {"cases": cases}


def test_copies_of_a_function_are_the_function(script):
    made = record(4.99, **{"enter.isra.0": (1, 4), "enter.constprop.0": (0, 2), "getpid": (9, 9)})
    assert script.added_by(made, "fentry") == {"enter": 5}


def test_a_sum_that_was_not_measured_ends_it(script):
    with pytest.raises(SystemExit, match=r"6\.1\.0, fentry: 3, measured 5"):
        script.added_by(record(5, enter=(1, 4)), "fentry")


def test_neighbours_that_are_alike_have_one_column(script):
    added = {
        "5.10.0-46": {"enter": 2, "old": 7},
        "6.1.0-57": {"enter": 3},
        "6.12.1+deb13": {"enter": 3},
        "7.3.4": {"enter": 2, "old": 7},
    }
    assert list(script.table(added)) == [
        "| | 5.10 | 6.1 to 6.12 | 7.3 |",
        "| --- | --: | --: | --: |",
        "| `old` | 7 |  | 7 |",
        "| `enter` | 2 | 3 | 2 |",
        "| **sum** | **9** | **3** | **9** |",
    ]
