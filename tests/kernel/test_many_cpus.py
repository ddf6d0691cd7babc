"""Programs on all CPUs at once, on the running kernel."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from processes import run_command, start_python

from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.scaling import run as scaling

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


@pytest.mark.parametrize("program", scaling.SHARING)
def test_every_run_on_every_cpu_is_accounted_for(support, program):
    if support["tp_btf"].status != "available":
        pytest.skip(support["tp_btf"].reason)
    cases = scaling.select("tp_btf", [program])
    counts = scaling.choose_counts()
    (result,) = scaling.measure(cases, counts, Sampling(time_s=0.2))
    if result.status == "failed" and "lost" in (result.reason or ""):
        pytest.skip(f"the machine is too busy for this: {result.reason}")
    assert result.status == "measured", result.reason
    assert result.hits is not None
    assert abs(result.hits.hits - result.hits.calls) <= result.hits.slack
    assert result.hits.calls == 2 * 1_000 * counts[-1]
    assert [len(point.cpus) for point in result.points] == counts


def test_the_command_writes_json(some_attach_type):
    run = run_command(
        "study",
        "scaling",
        f"--attach={some_attach_type}",
        "--program=empty",
        "--time=0.2",
        "--format=json",
    )
    assert run.returncode == 0, run.stderr
    (case,) = json.loads(run.stdout)["cases"]
    assert case["status"] == "measured"
    assert [len(point["cpus"]) for point in case["points"]][:2] == [1, 2]


def test_ctrl_c_ends_all_threads_and_leaves_nothing(some_attach_type, nothing_left):
    code = (
        "import sys; from ebpf_overhead.cli import main; "
        f"sys.argv = ['ebpf-overhead', 'study', 'scaling', '--attach={some_attach_type}',"
        " '--time=60']; main()"
    )
    child = start_python(code)
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130, stderr
    nothing_left()
