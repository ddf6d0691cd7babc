"""Results of other people's machines: what is in them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import records
from click.testing import CliRunner

from ebpf_overhead import cli
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.studies.grid.contribution import contents, contribution, read_contribution

ROOT = Path(__file__).resolve().parents[3]
DATE = "2026-11-30"


@pytest.fixture
def record():
    return records.record()


def test_windows_and_folders_are_left_out(record):
    record["cases"][0]["hook"] = "/home/ada/project/_workload.so:function"
    record["cases"][-1]["reason"] = "ENOENT: /srv/secret/thing is missing"
    text = contribution(record, DATE).to_json()
    assert "ada" not in text
    assert "secret" not in text
    found = json.loads(text)["record"]
    assert found["cases"][0]["hook"] == "_workload.so:function"
    assert found["cases"][0]["samples"] == {"baseline": [], "probed": []}


def test_it_comes_back_from_its_file(record, tmp_path):
    made = contribution(record, DATE)
    path = tmp_path / f"{made.name}.json"
    path.write_text(made.to_json())
    assert read_contribution(path) == made


def test_what_it_says_of_the_machine_is_shown(record):
    shown = contents(contribution(record, DATE)).splitlines()
    release = record["machine"]["kernel"]["release"]
    assert f"kernel release: {release}" in shown


def change(record, **changes):
    record["cases"][0] |= changes
    return record


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda r: change(r, hits=r["cases"][0]["hits"] - 1), "times for 2000 calls"),
        (lambda r: change(r, program="mine.c"), "mine.c is no program of this project"),
        (lambda r: change(r, unit="instructions"), "not in ns"),
        (lambda r: {**r, "guest": {"clock": "icount"}}, "on the running kernel"),
        (lambda r: {**r, "cut_short": "interrupted"}, "it was interrupted"),
        (lambda r: {**r, "cases": []}, "nothing was measured"),
        (lambda r: change(r, overhead="much"), "cannot be used"),
    ],
)
def test_what_proves_nothing_is_refused(record, spoil, why):
    with pytest.raises(BadUseError, match=why):
        contribution(spoil(record), DATE)


def test_a_date_is_a_day(record):
    with pytest.raises(BadUseError, match="its date is"):
        contribution(record, "yesterday")


@pytest.mark.parametrize("text", ["[]", "{}", '{"contribution": 2, "date": "", "record": {}}'])
def test_files_that_hold_none_are_refused(tmp_path, text):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(BadUseError, match=r"file\.json"):
        read_contribution(tmp_path / "file.json")


def test_the_command_writes_what_it_then_checks(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("result.json").write_text(json.dumps(record))
    written = CliRunner().invoke(cli.main, ["contribute", "result.json"])
    assert written.exit_code == 0, written.output
    path = written.stdout.strip()
    checked = CliRunner().invoke(cli.main, ["contribute", "--check", path])
    assert checked.stdout == f"{path}: {path.removesuffix('.json')}\n"


def test_nothing_to_check_is_no_success():
    checked = CliRunner().invoke(cli.main, ["contribute", "--check"])
    assert isinstance(checked.exception, BadUseError) or checked.exit_code == 2


def test_every_contribution_of_this_project_is_one():
    paths = sorted((ROOT / "results/machines").glob("*.json"))
    assert paths
    for path in paths:
        assert read_contribution(path).name == path.stem
