"""What is remembered of a kernel, and when it no longer counts."""

from __future__ import annotations

import json

from ebpf_overhead import stored
from ebpf_overhead.stats import Interval
from ebpf_overhead.stored import Store

VALUE = Interval(100.0, 90.0, 110.0, 0.99)


def test_what_is_put_is_found(tmp_path):
    path = tmp_path / "deep" / "x.json"
    Store(path).put({"a": VALUE})
    Store(path).put({"b": VALUE})
    assert Store(path).get("a") == VALUE
    found = Store(path).find("b")
    assert found is not None
    assert found.measured_at > 1_700_000_000
    assert Store(path).get("c") is None
    assert [each.name for each in path.parent.iterdir()] == ["x.json"]


def test_values_of_another_machine_do_not_count(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    Store(path).put({"a": VALUE})
    monkeypatch.setattr(stored, "_identity", lambda: {"release": "another"})
    assert Store(path).get("a") is None


def test_broken_and_unwritable_files_are_as_good_as_none(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    assert Store(path).get("a") is None
    path.write_text(json.dumps({"schema": 2}))
    assert Store(path).get("a") is None
    blocked = tmp_path / "x.json" / "y.json"
    Store(blocked).put({"a": VALUE})
    assert Store(blocked).get("a") is None


def test_default_place_is_the_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))
    assert Store().path.parent == tmp_path / "overheads"
