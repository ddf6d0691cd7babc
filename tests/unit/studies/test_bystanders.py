"""What is shown of bystanders: tables, notes, every format, the figure."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import go_benchmarks
import jsonschema
import pytest
from records import MEASURED, record, unmeasured

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.measure.bystander import BYSTANDERS
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.report.cases import make_record
from ebpf_overhead.report.formats import to_csv, to_gobench
from ebpf_overhead.report.metrics import of_measure
from ebpf_overhead.studies import registry
from ebpf_overhead.studies.bystanders import figure
from ebpf_overhead.studies.bystanders import tables as bystanders
from ebpf_overhead.studies.registry import schema

NOTHING = {"estimate": 0.0, "low": 0.0, "high": 0.0, "confidence": 0.99}
SEEN = {"calls": 2000, "hits": 2000, "runs_per_call": 1}
ELSEWHERE = {"call": "getppid", "process": "other", **SEEN}


def interval(estimate, half=0.0):
    return {**NOTHING, "estimate": estimate, "low": estimate - half, "high": estimate + half}


def row(attach="tp_btf", **changes):
    return {**MEASURED, "attach": attach, "residue": NOTHING, "unit": "instructions", **changes}


def seen(attach="tp_btf", call="getppid", estimate=120.0, **changes):
    subject = {"call": call, "process": "same", **SEEN}
    return row(attach, **{"bystander": subject, "overhead": interval(estimate), **changes})


@pytest.fixture
def given():
    cases = [
        row(),
        seen(),
        seen(bystander=ELSEWHERE, overhead=interval(121.4, 3.0)),
        row("fentry", overhead=interval(129)),
        seen("fentry", estimate=0.0),
        seen("fentry", bystander={**ELSEWHERE, "hits": 0, "runs_per_call": 0}, estimate=-0.2),
    ]
    return {**record(), "cases": cases}


def test_a_row_for_each_attach_type_a_column_for_each_caller(given):
    jsonschema.validate(given, schema())
    ordinary, others = registry.tables(given)
    assert [each[0] for each in ordinary.rows] == ["no probe", "tp_btf *", "fentry"]
    assert others.headings == (
        "Case", "getpid itself", "getppid", "getppid (other process)", "After detach",
    )  # fmt: skip
    assert others.rows == [
        ("no probe", "100.0", "100.0", "100.0", ""),
        ("tp_btf *", "+50 ± 2", "+120", "+121 ± 3", "+0"),
        ("fentry", "+129", "+0", "+0", "+0"),
    ]


def test_what_was_not_measured_is_said_once(given):
    reason = unmeasured("kprobe", "unsupported", "no kprobes")
    subject = {"call": "getppid", "process": "same"}
    given["cases"] += [reason, {**reason, "bystander": subject}]
    jsonschema.validate(given, schema())
    _, others = registry.tables(given)
    assert others.rows[-1] == ("kprobe", "n/a", "n/a", "n/a", "")
    assert registry.notes(given)[0] == "kprobe: unsupported: no kprobes"


@pytest.mark.parametrize(
    ("unit", "left", "said"),
    [
        ("instructions", interval(0.4), "nothing remains after detach: "),
        ("instructions", interval(3.0), "after detach, tp_btf/simple: getppid takes +3.0 instr"),
        ("ns", interval(3.0, 4.0), "nothing remains after detach: "),
        ("ns", interval(3.0), "after detach: 1 of "),
        ("ns", interval(-3.0), "tp_btf/simple: getppid takes -3.0 ns when it is gone; or "),
        ("ns", interval(5.0, 2.0), "or the machine's speed changed"),
    ],
)
def test_residue_is_judged_by_what_its_unit_can_tell(given, unit, left, said):
    for case in given["cases"]:
        case["unit"] = unit
    given["cases"][1]["residue"] = left
    (note,) = bystanders.notes(given)
    assert said in note


def test_records_without_bystanders_say_nothing_of_them():
    assert bystanders.notes(record()) == []
    assert bystanders.tables(record()) == []
    assert len(registry.tables(record())) == 2


def test_target_that_others_hook_is_marked_and_explained(given):
    for case in given["cases"][:3]:
        case["occupants"] = [{"kind": "bpf", "name": "program 7 theirs"}]
    jsonschema.validate(given, schema())
    for table in registry.tables(given):
        labels = [each[0] for each in table.rows]
        assert labels == ["no probe", "tp_btf * †", "fentry"]
    (note,) = (line for line in registry.notes(given) if line.startswith("†"))
    assert note == (
        "† getpid was hooked by others already: bpf program 7 theirs; the call without our probe"
        " pays for those that are enabled, too"
    )


def test_in_markdown_csv_and_go_benchmarks(given):
    assert "| fentry | +129 | +0 | +0 | +0 |" in registry.to_markdown(given)
    lines = list(csv.DictReader(io.StringIO(to_csv(given))))
    assert [line["bystander_call"] for line in lines] == ["", "getppid", "getppid"] * 2
    assert [line["bystander_process"] for line in lines[:3]] == ["", "same", "other"]
    assert lines[0]["residue_estimate"] == "0.0"
    _, results = go_benchmarks.parse(to_gobench(given))
    names = {result.name for result in results}
    assert "GetppidBesideGetpidTracepointWithSimpleMap/getppid" in names
    assert "GetppidElsewhereBesideGetpidFentryWithSimpleMap/getppid" in names
    assert len(names) == 3 + 6


def test_metrics_tell_callers_apart(given):
    given["cases"].append({**row(), "beside": {"programs": {"fentry": 3}, "together": True}})
    samples = [
        line.split("}")[0]
        for line in of_measure(given).splitlines()
        if line.startswith("ebpf_overhead_probe_cost_instructions{")
    ]
    assert len(samples) == len(set(samples)) == 7
    assert 'caller="getppid (other process)"' in samples[2]
    assert 'beside="fentry:3"' in samples[6]
    assert 'overhead_of="all"' in samples[6]


def test_the_record_has_whose_calls_they_were():
    (case,) = select(["tp_btf"], ["empty"])
    occupied = (ExistingHook("kprobe", "__x64_sys_getpid+0x0"),)
    seen = replace(case, caller=BYSTANDERS[-1])
    results = [Result(seen, "refused", "no", occupants=occupied, changed=occupied)]
    made = make_record(results, {"kernel": {}}, Sampling(), {}, "ns")
    jsonschema.validate(made, schema())
    (row,) = made["cases"]
    assert row["bystander"] == {"call": "getppid", "process": "other"}
    hooks = [{"kind": "kprobe", "name": "__x64_sys_getpid+0x0"}]
    assert row["occupants"] == row["changed"] == hooks


def test_figure_has_points_for_each_caller(given):
    pytest.importorskip("matplotlib")
    given["cases"].append(seen(call="read", estimate=124.0))
    (axis,) = figure.draw([given]).axes
    drawn = {each.get_label(): list(each.lines[0].get_xdata()) for each in axis.containers}
    assert drawn == {
        "the target itself": [50, 129],
        "getppid": [120, 0],
        "getppid (other process)": [121.4, -0.2],
        "read": [124],
    }
    assert [label.get_text() for label in axis.get_yticklabels()] == ["tp_btf", "fentry"]
    assert "| fentry | +129 | +0 | +0 | n/a | +0 |" in figure.markdown([given])
