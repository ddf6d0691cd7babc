"""Figures from records: the targets' one, and what the command says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from records import EMPTY, MEASURED, record, unmeasured

from ebpf_overhead.cli import main
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.report import canvas
from ebpf_overhead.studies.targets import figure as targets

RECORDS = Path(__file__).parents[2] / "data" / "records"


@pytest.fixture
def several():
    both = {**MEASURED, "target": "openat_close", "runs_per_call": 2}
    cases = [MEASURED, both, {**EMPTY, "target": "getpid"}, unmeasured("kprobe", "failed", "no")]
    return {**record(), "cases": cases}


def test_row_for_each_attach_type_and_program_column_for_each_target(several):
    lines = targets.markdown([several]).splitlines()
    assert "| attach type | program | getpid | openat_close |" in lines
    assert "| tp_btf | simple | +50 ± 2 | +50 ± 2 (2 \N{MULTIPLICATION SIGN} 25) |" in lines
    assert "| tracepoint | empty | +50 ± 2 | n/a |" in lines


def test_two_runs_a_call_are_drawn_as_what_one_adds(several):
    pytest.importorskip("matplotlib")
    (axis,) = targets.draw([several]).axes
    (curve,) = axis.containers
    assert list(curve.lines[0].get_ydata()) == [50, 25]
    assert [label.get_text() for label in axis.get_xticklabels()] == [
        "getpid\n100",
        "openat + close\n100",
    ]


def test_panels_of_one_unit_have_one_scale_that_shows_all(several):
    pytest.importorskip("matplotlib")
    expensive = {**MEASURED, "overhead": {**MEASURED["overhead"], "estimate": 900, "high": 950}}
    counted = {**MEASURED, "unit": "instructions"}
    records = [several, {**several, "cases": [expensive]}, {**several, "cases": [counted]}]
    first, second, other = targets.draw(records).axes
    assert first.get_ylim() == second.get_ylim() != other.get_ylim()
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] > 950


def test_logarithmic_axes_have_numbers_that_can_be_read():
    pytest.importorskip("matplotlib")
    figure, (axis, chosen) = canvas.panels(2)
    for each in (axis, chosen):
        each.plot([0.1, 1_048_576], [1, 2])
    canvas.logarithmic(axis)
    canvas.logarithmic(chosen, {8, 4096, 1_048_576})
    figure.draw_without_rendering()
    shown = [label.get_text() for label in axis.get_xticklabels()]
    assert {"0.1", "1", "1,000", "1,000,000"} <= {*shown} or {"0.1", "10", "1,000"} <= {*shown}
    assert [each.get_text() for each in chosen.get_xticklabels()] == ["8", "4,096", "1,048,576"]


def test_the_command_prints_the_table_and_draws(several, tmp_path):
    pytest.importorskip("matplotlib")
    source = tmp_path / "record.json"
    source.write_text(json.dumps(several))
    drawn = tmp_path / "figure.svg"
    run = CliRunner().invoke(main, ["plot", "targets", str(source), "-o", str(drawn)])
    assert run.exit_code == 0, run.output
    assert run.output == targets.markdown([several])
    first = drawn.read_bytes()
    CliRunner().invoke(main, ["plot", "targets", str(source), "-o", str(drawn)])
    assert drawn.read_bytes() == first, "the same data give the same file"


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_what_is_no_record_is_bad_use(tmp_path, text):
    source = tmp_path / "record.json"
    source.write_text(text)
    run = CliRunner().invoke(main, ["plot", "targets", str(source)])
    assert run.exit_code == ExitStatus.BAD_USE
    assert "record.json cannot be used: " in run.output


@pytest.mark.parametrize("name", ["figure.doc", "figure"])
def test_unknown_format_is_bad_use(several, tmp_path, name):
    pytest.importorskip("matplotlib")
    source = tmp_path / "record.json"
    source.write_text(json.dumps(several))
    arguments = ["plot", "targets", str(source), "-o", str(tmp_path / name)]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == ExitStatus.BAD_USE
    assert "figure not written" in run.output
    assert list(tmp_path.iterdir()) == [source]


def test_without_matplotlib_the_extra_is_named(several, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    source = tmp_path / "record.json"
    source.write_text(json.dumps(several))
    arguments = ["plot", "targets", str(source), "-o", str(tmp_path / "figure.svg")]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == ExitStatus.NOTHING_MEASURABLE
    assert "pip install 'ebpf-overhead[plots]'" in run.output


def test_a_record_that_contradicts_itself_is_bad_use(tmp_path):
    given = json.loads((RECORDS / "attach_latency_1.json").read_text())
    case = next(case for case in given["cases"] if case["status"] == "measured")
    del case["operations"]["attach"]["gap_ns"]
    source = tmp_path / "record.json"
    source.write_text(json.dumps(given))
    run = CliRunner().invoke(main, ["plot", "attach-latency", str(source)])
    assert run.exit_code == ExitStatus.BAD_USE
    assert "record.json cannot be used: KeyError: 'gap_ns'; name a file" in run.output
