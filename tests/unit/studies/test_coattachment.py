"""Several programs on one target: the settings, the command, and what is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from click.testing import CliRunner
from records import MEASURED, record, unmeasured

from ebpf_overhead.cli import main
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.hooks.cases import CoAttached, select
from ebpf_overhead.measure import in_guest, preflight
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.report.cases import make_record
from ebpf_overhead.studies import cases_run
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.coattachment import cases as choices
from ebpf_overhead.studies.coattachment import figure
from ebpf_overhead.studies.registry import notes, schema, tables

KPROBE, FENTRY = (select([name], ["empty"])[0] for name in ("kprobe", "fentry"))


def test_one_program_is_its_own_last_and_all():
    settings = choices.numbers([KPROBE], [4, 1, 4])
    assert [(each.co_attached.programs, each.co_attached.together) for each in settings] == [
        (1, False),
        (4, False),
        (4, True),
    ]
    assert {other for each in settings for other in each.co_attached.cases} == {KPROBE}
    assert settings[1].name == "getpid/kprobe/empty beside 3 kprobe"


def test_pairs_are_alone_and_beside_each_in_either_order():
    settings = choices.pairs([KPROBE, FENTRY])
    assert [each.name for each in settings if not each.co_attached.together] == [
        "getpid/kprobe/empty",
        "getpid/fentry/empty",
        "getpid/kprobe/empty beside 1 kprobe",
        "getpid/kprobe/empty beside 1 fentry",
        "getpid/fentry/empty beside 1 kprobe",
        "getpid/fentry/empty beside 1 fentry",
    ]


def test_targets_are_never_mixed():
    getpgid = select(["lsm"], ["empty"])[0]
    assert all(
        other.workload == each.workload
        for each in choices.pairs([KPROBE, getpgid])
        for other in each.co_attached.cases
    )


# What is shown of it.


def row(attach, estimate, others=None, together=False):
    overhead = {"estimate": estimate, "low": estimate, "high": estimate, "confidence": 0.99}
    found = {**MEASURED, "attach": attach, "program": "empty", "overhead": overhead}
    found["unit"] = "instructions"
    if others:
        found["beside"] = {"programs": others, "together": together}
    return found


@pytest.fixture
def numbers():
    full = unmeasured("fentry", "unsupported", "E2BIG at attach", "attach fewer there")
    cases = [
        row("fentry", 129),
        row("fentry", 110, {"fentry": 3}),
        row("fentry", 480, {"fentry": 3}, together=True),
        {**full, "beside": {"programs": {"fentry": 63}, "together": False}},
        {**full, "beside": {"programs": {"fentry": 63}, "together": True}},
        row("kprobe", 360),
    ]
    return {**record(), "study": "coattachment", "cases": cases}


@pytest.fixture
def mixed():
    cases = [row("fentry", 129), row("kprobe", 360)]
    for one, other, adds in (("fentry", "kprobe", 100), ("kprobe", "fentry", 400)):
        cases += [row(one, adds, {other: 1}), row(one, 500, {other: 1}, together=True)]
    cases.append(row("kprobe", 217, {"kprobe": 1}))
    return {**record(), "study": "coattachment", "cases": cases}


def test_rows_have_what_the_last_one_adds_and_what_all_cost(numbers):
    jsonschema.validate(numbers, schema())
    (table,) = tables(numbers)
    assert table.headings == ("Attach type", "Programs", "The last one adds", "All of them", "Each")
    assert table.rows == [
        ("fentry", "1", "+129", "+129", "129"),
        ("fentry", "4", "+110", "+480", "120"),
        ("fentry", "64", "n/a", "n/a", "n/a"),
        ("kprobe", "1", "+360", "+360", "360"),
    ]
    assert notes(numbers)[0] == (
        "fentry beside 63 fentry: unsupported: E2BIG at attach; attach fewer there"
    )


def test_pairs_are_a_matrix(mixed):
    jsonschema.validate(mixed, schema())
    second, both = tables(mixed)
    assert second.headings == ("Program at", "Alone", "Beside kprobe", "Beside fentry")
    assert second.rows == [
        ("fentry", "+129", "+100", "n/a"),
        ("kprobe", "+360", "+217", "+400"),
    ]
    assert both.headings == ("Program at", "Alone", "With kprobe", "With fentry")
    assert both.rows == [
        ("fentry", "+129", "+500", "n/a"),
        ("kprobe", "+360", "n/a", "+500"),
    ]


def test_two_programs_of_one_type_are_a_number(numbers):
    numbers["cases"] = [row("kprobe", 217, {"kprobe": 1})]
    (table,) = tables(numbers)
    assert table.rows == [("kprobe", "2", "+217", "n/a", "n/a")]


def test_target_that_others_hook_is_marked(numbers, mixed):
    for given in (numbers, mixed):
        given["cases"][0]["occupants"] = [{"kind": "kprobe", "name": "__x64_sys_getpid+0x0"}]
    (table,) = tables(numbers)
    assert [cells[0] for cells in table.rows] == ["fentry †", "fentry", "fentry", "kprobe"]
    table = tables(mixed)[0]
    assert [cells[0] for cells in table.rows] == ["fentry †", "kprobe"]


def test_one_more_of_several_is_no_table_of_the_reference(numbers):
    assert not any("no probe" in cells for table in tables(numbers) for cells in table.rows)


def test_the_record_says_what_was_beside():
    three = replace(KPROBE, co_attached=CoAttached((FENTRY, FENTRY, KPROBE)))
    results = [Result(three, "refused", "no")]
    made = make_record(results, {"kernel": {}}, Sampling(), {}, "ns")
    jsonschema.validate(made, schema())
    (case,) = made["cases"]
    assert case["beside"] == {"programs": {"fentry": 2, "kprobe": 1}, "together": False}


def test_figure_has_a_curve_an_attach_type(numbers, mixed):
    pytest.importorskip("matplotlib")
    (axis,) = figure.draw([numbers]).axes
    curves = {each.get_label(): each.lines[0].get_xydata().tolist() for each in axis.containers}
    assert curves == {"fentry": [[1, 129], [4, 110]], "kprobe": [[1, 360]]}
    lines = figure.markdown([numbers, mixed])
    assert "| fentry | 4 | +110 | +480 | 120 |" in lines
    assert "| kprobe | +360 | +217 | +400 |" in lines


# The command.


def invoke(*arguments):
    return CliRunner().invoke(main, ["study", "coattachment", *arguments])


def test_the_command_writes_a_record(monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "check", lambda cases=None: None)
    asked = []

    def measure(settings, sampling, progress, verifier_log):
        asked.extend(settings)
        for each in settings:
            progress(each, 1.0)
            yield Result(each, "unsupported", "none here")

    monkeypatch.setattr(cases_run, "measure_cases", measure)
    path = tmp_path / "many.json"
    run = invoke("--attach", "kprobe", "--programs", "2", "--format", "json", "-o", str(path))
    assert run.exit_code == ExitStatus.NOTHING_MEASURABLE, run.output
    written = json.loads(path.read_text())
    jsonschema.validate(written, schema())
    assert written["study"] == "coattachment"
    assert [each.name for each in asked] == [
        "getpid/kprobe/empty beside 1 kprobe",
        "getpid/kprobe/empty with 1 kprobe",
    ]


def test_a_guest_is_asked_the_same(monkeypatch):
    asked = []

    def there(kernel, arguments, say, sources, *, preload, restore, variant):
        asked.append((kernel, Job.of_json(arguments[-1])))
        return {"cases": [], "machine": {"kernel": {"release": "6.12"}}, "study": "coattachment"}

    monkeypatch.setattr(in_guest, "measure_in_guest", there)
    run = invoke("--kernel", "6.12", "--mixed", "--attach", "kprobe", "--attach", "fexit")
    assert run.exit_code == ExitStatus.NOTHING_MEASURABLE, run.output
    ((kernel, job),) = asked
    assert (kernel, job.study) == ("6.12", "coattachment")
    assert job.cases == choices.pairs(choices.choose(["kprobe", "fexit"], "empty"))


def test_pairs_have_no_number():
    run = invoke("--mixed", "--programs", "4")
    assert run.exit_code == ExitStatus.BAD_USE
    assert "--mixed measures pairs; leave out --programs" in run.output
