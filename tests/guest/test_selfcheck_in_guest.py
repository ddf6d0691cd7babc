"""``selfcheck --kernel``: everything that is checked passes, to the instruction."""

from __future__ import annotations

import json

import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.studies.registry import schema


@pytest.fixture(scope="module", params=[0, -1], ids=["oldest", "newest"])
def record(request, kernels):
    if request.param and len(kernels) == 1:
        pytest.skip("there is one kernel here")
    kernel = kernels[request.param]
    run = run_command("selfcheck", f"--kernel={kernel.release}", "--json", timeout=300)
    assert run.returncode == 0, run.stdout or run.stderr
    made = json.loads(run.stdout)
    jsonschema.validate(made, schema("selfcheck"))
    assert made["machine"]["kernel"]["release"] == kernel.release
    return made


def test_everything_is_checked_and_passes(record):
    assert [case["status"] for case in record["cases"]] == ["measured"] * len(record["cases"])
    judged = [case for case in record["cases"] if case["passed"] is not None]
    assert len(judged) >= 15
    assert all(case["passed"] for case in judged)
    assert {case["part"] for case in judged} == {
        *("after detach", "null test", "injected cost", "proportionality", "order", "agreement")
    }


def test_an_additional_instruction_costs_one_and_is_detected(record):
    found = {case["check"]: case for case in record["cases"]}
    each = found["each of 256 additional instructions"]
    assert each["unit"] == "instructions"
    assert each["seen"] == pytest.approx(each["expected"], abs=0.002)
    assert found["instructions that the JIT makes of 256"]["seen"] == 256
    assert found["additional instructions that are detected, and all more"]["seen"] == 1


def test_statistics_report_what_calls_show(record):
    (row,) = [case for case in record["cases"] if case["check"].endswith("end to end")]
    assert row["seen"] == pytest.approx(1024, rel=0.001)
    assert row["expected"] == pytest.approx(1024, rel=0.001)
