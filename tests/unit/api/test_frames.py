"""Records and comparisons as flat rows, with pandas or without."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from records import record

from ebpf_overhead import api


def test_a_row_per_case_with_its_interval_and_its_reason():
    rows = api.rows(record())
    assert len(rows) == len(record()["cases"])
    measured = next(row for row in rows if row["program"] == "simple" and row["attach"] == "tp_btf")
    assert (measured["overhead"], measured["overhead_low"], measured["baseline"]) == (50, 48.5, 100)
    assert not {"samples", "samples_probed"} & measured.keys()
    assert {row["status"] for row in rows} == {"measured", "refused", "unsupported", "failed"}


def test_a_row_per_compared_number():
    rows = api.rows(api.compare(record(), record()))
    assert {row["verdict"] for row in rows if row["what"] == "overhead"} == {"same"}
    assert ("overhead", "getpid, tp_btf, simple", 50.0, 1.0) in [
        (row["what"], row["of"], row["after"], row["ratio"]) for row in rows
    ]


def test_a_frame_is_of_the_rows(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: rows))
    assert api.frame(record()) == api.rows(record())


def test_without_pandas_a_frame_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(api.OverheadError, match="pandas is not installed; pip install pandas"):
        api.frame(record())


def test_every_name_is_there_and_no_other():
    assert all(getattr(api, name) for name in api.__all__)
    assert sorted(api._HOMES) == sorted(api.__all__)
    with pytest.raises(AttributeError):
        _ = api.nothing
