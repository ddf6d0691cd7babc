"""What is remembered of a kernel, and when it no longer counts."""

from __future__ import annotations

import json

import pytest

from ebpf_overhead.measure import cost_cache
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.stats import Interval

VALUE = Interval(100.0, 90.0, 110.0, 0.99)


@pytest.fixture(autouse=True)
def statistics(monkeypatch) -> list[bool]:
    """Whether the kernel's run statistics are on: whoever else uses it may have them on."""
    on = [False]
    monkeypatch.setattr(cost_cache.statistics, "are_on", lambda: on[-1])
    return on


def test_nothing_is_stored_while_run_statistics_are_on(tmp_path, statistics):
    path = tmp_path / "x.json"
    statistics.append(True)
    assert Store(path).put({"a": VALUE}) is False
    assert not path.exists()
    statistics.append(False)
    assert Store(path).put({"a": VALUE}) is True
    assert Store(path).get("a") == VALUE


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
    monkeypatch.setattr(cost_cache, "identity", lambda: {"release": "another"})
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
