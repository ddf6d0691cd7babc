"""Load, attach and detach on the running kernel, while a thread calls."""

from __future__ import annotations

import json
import os
import signal
import time

import jsonschema
from processes import run_command, start_command

from ebpf_overhead.studies.attach_latency import many_run, run
from ebpf_overhead.studies.registry import schema

ROUNDS = 8


def test_every_operation_of_every_round_is_timed_with_somebody_calling(some_attach_type):
    (result,) = run.measure(run.choose([some_attach_type]), ROUNDS)
    assert result.status == "measured", result.reason
    assert abs(result.hits.hits - result.hits.calls) <= result.hits.slack
    for name, timings in result.timings.items():
        assert len(timings.elapsed_ns) == len(timings.cpu) == ROUNDS, name
        # Two clocks, which need not run alike to the last ns.
        assert all(
            0 < cpu <= 1.01 * elapsed_ns + 1_000
            for cpu, elapsed_ns in zip(timings.cpu, timings.elapsed_ns, strict=True)
        )
        if len(os.sched_getaffinity(0)) > 1:
            assert len(timings.gaps_ns) == len(timings.control_ns) == ROUNDS


def test_the_command_writes_a_record(some_attach_type):
    ran = run_command(
        "study",
        "attach-latency",
        f"--attach={some_attach_type}",
        f"--rounds={ROUNDS}",
        "--format=json",
    )
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    jsonschema.validate(record, schema("attach-latency"))
    assert record["cases"][0]["status"] == "measured"


def test_many_points_are_attached_at_once(some_attach_type, nothing_left):
    many = many_run.choose(run.choose([some_attach_type]), (1, 3))
    for result in many_run.measure(many, rounds=2, time_s=1.0):
        assert result.status == "measured", result.reason
        assert abs(result.hits.hits - result.hits.calls) <= result.hits.slack
        assert {len(each.elapsed_ns) for each in result.timings.values()} == {2}
    nothing_left()


def test_ctrl_c_ends_the_caller_and_leaves_nothing(some_attach_type, nothing_left):
    child = start_command(
        "study", "attach-latency", f"--attach={some_attach_type}", "--rounds=10000"
    )
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130, stderr
    nothing_left()
