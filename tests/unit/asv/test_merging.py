"""Folders of results brought together: the newer measurement of each benchmark stays."""

from __future__ import annotations

import json
import os

import pytest

from ebpf_overhead.asv.merging import merge, read
from ebpf_overhead.errors import FailedError

NAME = "vm/addf26eb-kernel.json"


def store(folder, benchmarks, reasons=None, columns=("result", "started_at"), machine="vm"):
    """Store values and moments by benchmark, as asv does."""
    stored = {
        "commit_hash": "addf26eb",
        "env_vars": {"CLOCK": "icount"},
        "params": {"machine": machine},
        "result_columns": list(columns),
        "results": {
            name: [{"result": [value], "started_at": moment}[column] for column in columns]
            for name, (value, moment) in benchmarks.items()
        },
        **({"reasons": reasons} if reasons else {}),
    }
    path = folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored))
    (path.parent / "machine.json").write_text(json.dumps({"machine": machine}))
    (folder / "benchmarks.json").write_text('{"version": 2}')


def values(folder):
    return {name: row[0][0] for name, row in read(folder / NAME)["results"].items()}


def test_a_folder_that_is_not_there_gets_everything(tmp_path):
    store(tmp_path / "a", {"one": (1, 100)})
    assert merge(tmp_path / "a", tmp_path / "b") == [tmp_path / "b" / NAME]
    assert values(tmp_path / "b") == {"one": 1}
    assert (tmp_path / "b/vm/machine.json").exists()
    assert (tmp_path / "b/benchmarks.json").exists()
    assert merge(tmp_path / "nothing", tmp_path / "b") == []


def test_counted_results_are_of_no_host(tmp_path):
    """Neither what is brought nor what was there before keeps what the host was."""
    store(tmp_path / "a", {"one": (1, 100)})
    for folder in ("a", "b"):
        store(tmp_path / folder, {"one": (1, 100)})
        path = tmp_path / folder / NAME
        stored = json.loads(path.read_text())
        stored["params"] = {"machine": "vm", "arch": "x86_64", "cpu": "EPYC", "ram": "1", "os": "x"}
        path.write_text(json.dumps(stored))
    (tmp_path / "c").mkdir()
    for folder in ("b", "c"):
        assert merge(tmp_path / "a", tmp_path / folder)
        assert read(tmp_path / folder / NAME)["params"] == {"machine": "vm", "arch": "x86_64"}
        assert merge(tmp_path / "a", tmp_path / folder) == []


def test_newer_rows_replace_older_ones_and_others_stay(tmp_path):
    store(tmp_path / "a", {"same": (1, 100), "newer": (2, 300), "older": (3, 100), "only": (4, 1)})
    store(tmp_path / "b", {"same": (5, 100), "newer": (6, 200), "older": (7, 200), "own": (8, 1)},
          columns=("started_at", "result"), machine="here")  # fmt: skip
    merge(tmp_path / "a", tmp_path / "b")
    stored = read(tmp_path / "b" / NAME)
    assert {name: row[1][0] for name, row in stored["results"].items()} == {
        "same": 5, "newer": 2, "older": 7, "own": 8, "only": 4,
    }  # fmt: skip
    assert stored["params"] == {"machine": "here"}
    assert merge(tmp_path / "a", tmp_path / "b") == []


def test_a_failed_run_hides_no_value(tmp_path):
    store(tmp_path / "a", {"x": (1, 100)})
    store(tmp_path / "b", {"x": (1, 200)}, {"x": {"": "failed: lost"}})
    stored = json.loads((tmp_path / "b" / NAME).read_text())
    stored["results"]["x"] = [None, 200]  # as asv writes what failed for all parameters
    (tmp_path / "b" / NAME).write_text(json.dumps(stored))
    assert merge(tmp_path / "b", tmp_path / "a") == []
    merge(tmp_path / "a", tmp_path / "b")
    assert (values(tmp_path / "b"), read(tmp_path / "b" / NAME)["reasons"]) == ({"x": 1}, {})


def test_reasons_go_with_their_rows(tmp_path):
    store(tmp_path / "a", {"x": (None, 200), "y": (None, 100)}, {"x": {"": "new"}, "y": {"": "no"}})
    store(tmp_path / "b", {"x": (1, 100), "y": (2, 200), "z": (None, 1)}, {"z": {"": "old"}})
    merge(tmp_path / "a", tmp_path / "b")
    assert read(tmp_path / "b" / NAME)["reasons"] == {"x": {"": "new"}, "z": {"": "old"}}


def test_of_two_lists_of_benchmarks_the_later_one_stays(tmp_path):
    for folder, text, moment in (("a", "new", 2_000), ("b", "old", 1_000)):
        store(tmp_path / folder, {"one": (1, 100)})
        listed = tmp_path / folder / "benchmarks.json"
        listed.write_text(text)
        os.utime(listed, (moment, moment))
    merge(tmp_path / "b", tmp_path / "a")
    assert (tmp_path / "a/benchmarks.json").read_text() == "new"
    merge(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b/benchmarks.json").read_text() == "new"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "nul", '{"results": {}}', '{"results": [], "result_columns": []}', "[" * 100_000,
     '{"commit_hash": 1, "results": {}, "result_columns": []}',
     '{"commit_hash": "1", "results": {"x": 1}, "result_columns": []}'],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, text):
    store(tmp_path / "a", {"one": (1, 100)})
    store(tmp_path / "b", {"one": (1, 100)})
    (tmp_path / "b" / NAME).write_text(text)
    with pytest.raises(FailedError, match=r"b/vm/addf26eb-kernel\.json.*delete the file"):
        merge(tmp_path / "a", tmp_path / "b")
