"""Bystanders, company and occupants of a target, on the running kernel."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import jsonschema
import pytest
from processes import run_command, start_command, start_python

from ebpf_overhead import attach, cohabitation, occupants, proof
from ebpf_overhead.bystander import callers
from ebpf_overhead.cases import GETPID, select
from ebpf_overhead.company import Beside, load_company
from ebpf_overhead.errors import FailedError
from ebpf_overhead.measure import Options, measure_case
from ebpf_overhead.report.record import schema
from ebpf_overhead.sampling import Precision

QUICK = Options(Precision(0.5), time_s=0.05)


def test_every_call_of_every_bystander_is_accounted_for(attach_type, witness):
    (case,) = select([attach_type], ["empty"])
    with callers(True) as available:
        results = [measure_case(case, QUICK, witness, caller=each) for each in available]
    for result in results:
        assert result.measurement is not None, result.reason
        hits, others = result.measurement.hits, result.measurement.bystander_hits
        assert abs(hits.hits - hits.calls) <= hits.slack
        assert others is not None
        assert others.runs_per_call == result.bystander.runs_per_call(case)
        assert abs(others.hits - others.calls * others.runs_per_call) <= others.slack
        assert others.calls == 2000


@pytest.mark.parametrize("together", [False, True])
def test_each_of_several_programs_is_proven(attach_type, together):
    (case,) = select([attach_type], ["simple"])
    setting = cohabitation.Setting(case, Beside((case,) * 3, together))
    (result,) = cohabitation.measure([setting], QUICK)
    assert result.measurement is not None, result.reason
    hits = result.measurement.hits
    assert abs(hits.hits - hits.calls) <= hits.slack


def test_one_of_several_that_does_not_run_is_found_out(some_attach_type, call, witness):
    (case,) = select([some_attach_type], ["simple"])
    with load_company(attach.load, case, Beside((case,) * 2)) as probe:
        probe.attach()
        assert proof.prove(probe, call, witness).hits == 1000
        probe.others[1].attach = lambda: None
        probe.others[1].detach()
        with pytest.raises(FailedError, match="beside it, never fired: 0 hits for 100 calls"):
            proof.prove(probe, call, witness)


HOLD = """
import sys
from ebpf_overhead import attach
from ebpf_overhead.cases import select
with attach.load(select(sys.argv[1:], ["complex"])[0]) as probe:
    probe.attach()
    print("attached", flush=True)
    sys.stdin.read()
"""


def test_a_program_of_another_process_is_seen_and_labelled(some_attach_type, witness):
    (case,) = select([some_attach_type], ["empty"])
    before = set(occupants.of(GETPID))
    other = start_python(HOLD, some_attach_type)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "attached\n", other.communicate()[1]
        result = measure_case(case, QUICK, witness)
    finally:
        other.communicate("", timeout=30)
    assert result.measurement is not None, result.reason
    new = set(result.occupants) - before
    assert any(each.kind == "bpf" and "complex" in each.name for each in new), new
    assert not any("complex" in each.name for each in set(occupants.of(GETPID)) - before)


def test_the_commands_write_records(some_attach_type):
    for arguments in (
        ("measure", "--bystander", "--program=empty"),
        ("cohabit", "--programs=1", "--programs=3"),
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
