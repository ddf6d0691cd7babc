"""The record of a run, and its schema: what is valid, and what is not."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest
from records import record

from ebpf_overhead import __version__
from ebpf_overhead.bpf.maps import MapUse
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.findings import Finding
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Precision, Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.report.cases import make_record
from ebpf_overhead.report.record import SCHEMA_VERSION
from ebpf_overhead.studies.registry import schema

SIMPLE, EMPTY = select(["tp_btf"], ["simple"])[0], select(["fentry"], ["empty"])[0]
MEASUREMENT = Measurement(
    samples=Samples((100.0, 99.0, 101.0, 100.0), (150.0, 149.0, 153.0, 150.0), 2, 3400),
    overhead=Interval(50.0, 48.5, 51.5, 0.99),
    hits=Hits(calls=2000, hits=2001, foreign_hits=77, slack=3),
    missed=4,
    map_use=MapUse(max_entries=16384, entries=9, lost_updates=0),
    stopped_by="time",
    hook="sys_enter",
    loadings=12,
    program_tag="1f0672754c9c6d9f",
    findings=(Finding("found no key of map start", map="start", times=9, calls=9),),
    maps=(MapState("start", "hash", 0, 64),),
)
OPTIONS = Sampling(Precision(0.01, 0.5), time_s=2.0, cpu=1, seed=42)


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def made() -> dict:
    results = [
        Result(SIMPLE, "measured", measurement=MEASUREMENT),
        Result(EMPTY, "unsupported", "EPERM at load: fentry refused"),
        Result(EMPTY, "refused", "CAP_BPF missing", "run as root"),
        Result(EMPTY, "failed", "did not fire once a call: 0 hits for 1000 calls"),
    ]
    machine = {"kernel": {"release": "6.12"}}
    return make_record(results, machine, OPTIONS, {"start": 0.312, "total": 1.0})


def test_record_of_a_run_is_valid_json(validator):
    made_here = made()
    validator.validate(made_here)
    assert json.loads(json.dumps(made_here, allow_nan=False)) == made_here


def test_run_is_described(validator):
    made_here = made()
    assert made_here["schema"] == SCHEMA_VERSION
    assert made_here["version"] == __version__
    assert made_here["machine"] == {"kernel": {"release": "6.12"}}
    assert made_here["options"] == {
        "precision": {"relative": 0.01, "absolute": 0.5},
        "time_s": 2.0,
        "cpu": 1,
        "seed": 42,
    }
    assert made_here["phases_s"] == {"start": 0.312, "total": 1.0}


def test_measured_case_with_everything_that_proves_it():
    case = made()["cases"][0]
    assert case == {
        "target": "getpid",
        "attach": "tp_btf",
        "program": "simple",
        "status": "measured",
        "reason": None,
        "remedy": None,
        "unit": "ns",
        "hook": "sys_enter",
        "baseline": {"median": 100.0, "q1": 99.75, "q3": 100.25},
        "probed": {"median": 150.0, "q1": 149.75, "q3": 150.75},
        "overhead": {"estimate": 50.0, "low": 48.5, "high": 51.5, "confidence": 0.99},
        "overhead_percent": {"estimate": 50.0, "low": 48.5, "high": 51.5},
        "calls": 2000,
        "hits": 2001,
        "runs_per_call": 1,
        "hits_slack": 3,
        "foreign_hits": 77,
        "missed": 4,
        "loadings": 12,
        "program_tag": "1f0672754c9c6d9f",
        "lost_updates": 0,
        "map_entries": 9,
        "map_max_entries": 16384,
        "windows": 4,
        "windows_per_block": 2,
        "calls_per_window": 3400,
        "stopped_by": "time",
        "findings": [{"what": "found no key of map start", "map": "start", "times": 9, "calls": 9}],
        "maps": [
            {"name": "start", "kind": "hash", "entries": 0, "max_entries": 64, "evicts": False}
        ],
        "samples": {
            "baseline": [100.0, 99.0, 101.0, 100.0],
            "probed": [150.0, 149.0, 153.0, 150.0],
        },
    }


def test_differences_name_their_cases_by_their_places(validator):
    empty = select(["tp_btf"], ["empty"])[0]
    cheaper = dataclasses.replace(MEASUREMENT, overhead=Interval(30.0, 28.0, 32.0, 0.99))
    results = [
        Result(empty, "measured", measurement=cheaper),
        Result(EMPTY, "unsupported", "EPERM"),
        Result(SIMPLE, "measured", measurement=MEASUREMENT),
    ]
    made_here = make_record(results, {}, OPTIONS, {})
    validator.validate(made_here)
    assert made_here["differences"] == [
        {
            "target": "getpid",
            "first": {"case": 2, "attach": "tp_btf", "program": "simple"},
            "second": {"case": 0, "attach": "tp_btf", "program": "empty"},
            "difference": {"estimate": 20.0, "low": 17.5, "high": 22.5, "confidence": 0.99},
            "paired": False,
        }
    ]
    assert "differences" not in made()


@pytest.mark.parametrize(("index", "status"), [(1, "unsupported"), (2, "refused"), (3, "failed")])
def test_unmeasured_case_has_a_reason_and_no_numbers(index, status):
    case = made()["cases"][index]
    assert set(case) == {"target", "attach", "program", "status", "reason", "remedy", "unit"}
    assert case["status"] == status
    assert case["reason"]


def test_program_without_a_map_has_no_map_use(validator):
    without = Measurement(
        **{**vars(MEASUREMENT), "map_use": None, "missed": None, "hits": Hits(1, 1, None)}
    )
    made_here = make_record([Result(SIMPLE, "measured", measurement=without)], {}, OPTIONS, {})
    validator.validate(made_here)
    case = made_here["cases"][0]
    for name in ("lost_updates", "map_entries", "map_max_entries", "missed", "foreign_hits"):
        assert case[name] is None


def test_instructions(validator):
    made_here = make_record(
        [Result(SIMPLE, "measured", measurement=MEASUREMENT)], {}, OPTIONS, {}, "instructions"
    )
    validator.validate(made_here)
    assert made_here["cases"][0]["unit"] == "instructions"


def test_record_made_by_hand_is_valid(validator):
    """The one that the tests of the formats are made with."""
    validator.validate(record())


def without(path: str):
    def change(given: dict) -> None:
        *parents, last = path.split(".")
        for key in parents:
            given = given[int(key) if key.isdigit() else key]
        del given[last]

    return change


def changed(path: str, value: object):
    def change(given: dict) -> None:
        *parents, last = path.split(".")
        for key in parents:
            given = given[int(key) if key.isdigit() else key]
        given[last] = value

    return change


BROKEN = {
    "no cases": without("cases"),
    "no machine": without("machine"),
    "another version of the schema": changed("schema", 3),
    "a field that nobody knows": changed("colour", "red"),
    "a field of a case that nobody knows": changed("cases.1.colour", "red"),
    "a status that nobody knows": changed("cases.1.status", "skipped"),
    "a unit that nobody knows": changed("cases.1.unit", "us"),
    "measured without an overhead": without("cases.1.overhead"),
    "measured without hits": without("cases.1.hits"),
    "measured without samples": without("cases.1.samples"),
    "measured without lost updates": without("cases.1.lost_updates"),
    "measured, with a reason why not": changed("cases.1.reason", "EPERM"),
    "unsupported without a reason": changed("cases.3.reason", None),
    "failed without a reason": changed("cases.4.reason", None),
    "no interval": without("cases.1.overhead.low"),
    "a confidence of 99": changed("cases.1.overhead.confidence", 99),
    "a number of hits that is none": changed("cases.1.hits", 1.5),
    "no hits told": changed("cases.1.hits", None),
    "a sample that is none": changed("cases.1.samples.probed", [1.0, "fast"]),
    "stopped by something else": changed("cases.1.stopped_by", "luck"),
    "no median": without("cases.1.baseline.median"),
    "negative seconds": changed("phases_s.start", -0.1),
    "no time": changed("options.time_s", 0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_record_is_not_valid(validator, name):
    given = record()
    BROKEN[name](given)
    assert not validator.is_valid(given)


@pytest.mark.parametrize(("waits", "who"), [(True, "other cpu"), (False, "between windows")])
def test_records_and_who_took_them_out(validator, waits, who):
    measured = dataclasses.replace(MEASUREMENT, records=2040, consumer_waits=waits)
    result = Result(SIMPLE, "measured", measurement=measured)
    record = make_record([result], {"kernel": {"release": "6.12"}}, OPTIONS, {"total": 1.0})
    validator.validate(record)
    (case,) = record["cases"]
    assert (case["records_received"], case["records_consumer"]) == (2040, who)


def test_what_the_kernel_reports(validator):
    measured = dataclasses.replace(MEASUREMENT, run_time_reported=31.41592)
    result = Result(SIMPLE, "measured", measurement=measured)
    record = make_record([result], {"kernel": {"release": "6.12"}}, OPTIONS, {"total": 1.0})
    validator.validate(record)
    assert record["cases"][0]["run_time_reported"] == 31.416
