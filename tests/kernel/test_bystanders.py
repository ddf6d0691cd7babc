"""Bystanders, company and occupants of a target, on the running kernel."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from processes import run_command, start_command, start_probe_holder

from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks import existing
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import CoAttached, select
from ebpf_overhead.hooks.probe_group import load_group
from ebpf_overhead.measure import run_count_check
from ebpf_overhead.measure.bystander import BYSTANDERS
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case, measure_cases
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload.workloads import GETPID

QUICK = Sampling(Precision(0.5), time_s=0.05)


def test_every_call_of_every_bystander_is_accounted_for(attach_type, caller_counter):
    (case,) = select([attach_type], ["empty"])
    cases = [replace(case, caller=each) for each in BYSTANDERS]
    results = [measure_case(each, QUICK) for each in cases]
    for result in results:
        assert result.measurement is not None, result.reason
        hits, others = result.measurement.hits, result.measurement.bystander_hits
        assert abs(hits.hits - hits.calls) <= hits.slack
        assert others is not None
        assert others.runs_per_call == result.case.caller.runs_per_call(case)
        assert abs(others.hits - others.calls * others.runs_per_call) <= others.slack
        assert others.calls == 2000


@pytest.mark.parametrize("together", [False, True])
def test_each_of_several_programs_is_proven(attach_type, together):
    (case,) = select([attach_type], ["simple"])
    four = replace(case, co_attached=CoAttached((case,) * 3, together))
    (result,) = measure_cases([four], QUICK)
    assert result.measurement is not None, result.reason
    hits = result.measurement.hits
    assert abs(hits.hits - hits.calls) <= hits.slack


def test_one_of_several_that_does_not_run_is_found_out(some_attach_type, call, caller_counter):
    (case,) = select([some_attach_type], ["simple"])
    with load_group(attach.load, replace(case, co_attached=CoAttached((case,) * 2))) as group:
        group.attach()
        assert run_count_check.prove(group.probe, call, caller_counter).hits == 1000
        run_count_check.prove_runs(group.others, call)
        group.others[1].detach()
        with pytest.raises(FailedError, match="simple, co-attached, never fired: 0 hits for 100"):
            run_count_check.prove_runs(group.others, call, ", co-attached,")


def test_a_program_of_another_process_is_seen_and_labelled(some_attach_type, caller_counter):
    (case,) = select([some_attach_type], ["empty"])
    before = set(existing.of(GETPID))
    other = start_probe_holder(some_attach_type)
    try:
        result = measure_case(case, QUICK)
    finally:
        other.communicate("", timeout=30)
    assert result.measurement is not None, result.reason
    new = set(result.occupants) - before
    assert any(each.kind == "bpf" and "complex" in each.name for each in new), new
    assert not any("complex" in each.name for each in set(existing.of(GETPID)) - before)


def test_the_commands_write_records(some_attach_type):
    for arguments in (
        ("measure", "--bystander", "--program=empty"),
        ("study", "coattachment", "--programs=1", "--programs=3"),
    ):
        run = run_command(
            *arguments, f"--attach={some_attach_type}", "--time=0.05", "--format=json"
        )
        assert run.returncode == 0, run.stderr
        record = json.loads(run.stdout)
        jsonschema.validate(record, schema())
        assert all(case["status"] == "measured" for case in record["cases"])


def test_ctrl_c_ends_the_other_process_too_and_leaves_nothing(some_attach_type, nothing_left):
    child = start_command("measure", "--bystander", f"--attach={some_attach_type}", "--time=60")
    others = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    deadline_s = time.monotonic() + 20
    while not (started := others.read_text().split()):
        assert time.monotonic() < deadline_s
        assert child.poll() is None
        time.sleep(0.05)
    time.sleep(2)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130, stderr
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    nothing_left()
