"""``measure --workload-command`` on the running kernel."""

from __future__ import annotations

import json
import sys

import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.tools import records

CALLS = 20_000
# It makes that many system calls, and prints a number that no probe changes.
COMMAND = f"{sys.executable} -I -S -c 'import os; [os.getppid() for _ in range({CALLS})]; print(7)'"


@pytest.fixture(scope="module")
def record():
    run = run_command(
        "measure", "--workload-command", COMMAND, "--metric", r"^(\d+)$", "--program", "empty",
        "--attach", "tp_btf", "--time", "10ms", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_every_quantity_is_there(record):
    (case,) = record["cases"]
    assert case["runs_per_command"] >= CALLS
    quantities = {each["name"]: each for each in case["quantities"]}
    assert list(quantities) == ["elapsed", "cpu", "metric"]
    assert quantities["metric"]["added"]["estimate"] == 0
    assert quantities["metric"]["baseline"]["median"] == 7
    assert len(case["runs"]["baseline"]) == len(case["runs"]["probed"]) == case["rounds"] >= 10
    assert all(each["cpu"] > 0 for each in case["runs"]["probed"])
    jsonschema.validate(record, records.schema("command"))


def test_attach_point_that_it_does_not_pass_is_named():
    """Nor does anybody else: a hook of a system call runs for all processes."""
    run = run_command(
        "measure", "--workload-command", "true", "--workload", "timer", "--attach", "tracepoint",
        "--program", "empty",
    )  # fmt: skip
    assert run.returncode == 3
    point = "tracepoint:syscalls:sys_enter_timerfd_settime"
    assert f"true does not pass {point}; attach it" in run.stdout


def test_command_that_fails_is_one_line():
    run = run_command("measure", "--workload-command", "false", "--attach", "tp_btf")
    assert run.returncode == 1
    assert run.stderr.endswith(
        "ebpf-overhead: the command false ended with status 1; it must succeed each time that it is"
        " run\n"
    )
