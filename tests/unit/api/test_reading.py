"""Files of every command -> records, or one line."""

from __future__ import annotations

import json

import pytest
from processes import ROOT

from ebpf_overhead.api.reading import read
from ebpf_overhead.errors import BadUseError


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/data/records").glob("*.json")), ids=lambda path: path.stem
)
def test_records_of_every_command_and_version_are_read(path):
    record = read(path)
    assert record["schema"] == 2
    assert read(str(path)) == record


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 9}',
        '{"schema": 2, "study": "estimate"}',
        "[" * 9999,
    ],
)
def test_anything_else_is_one_line(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(BadUseError, match=r"record\.json"):
        read(path)


def test_a_study_that_there_is_not_is_named(tmp_path):
    path = tmp_path / "record.json"
    machine = {"kernel": {"release": "6.1"}}
    path.write_text(json.dumps({"schema": 2, "study": "gird", "machine": machine, "cases": []}))
    with pytest.raises(BadUseError, match="no study is called 'gird'; did you mean grid"):
        read(path)
