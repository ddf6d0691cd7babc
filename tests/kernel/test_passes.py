"""What a call of each workload passes, counted on the running kernel."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from processes import run_command

from ebpf_overhead.tools.passes.counting import counted, known_places
from ebpf_overhead.tools.passes.record import make_record
from ebpf_overhead.workload.workloads import WORKLOADS

# Its tracepoints run in the task that makes the call, whatever else the machine does.
EXACT = ["read", "openat_close", "mmap_touch_munmap", "thread_create", "fork_wait", "exec"]


@pytest.fixture(scope="module")
def found():
    run = run_command("workloads", "--count", *EXACT, "--json", timeout=100)
    return run, {case["workload"]: case for case in json.loads(run.stdout)["cases"]}


def test_rows_are_what_is_counted(found):
    run, cases = found
    assert list(cases) == [name for name in WORKLOADS if name in EXACT]
    for case in cases.values():
        assert case["status"] == "measured"
        rows = {row["point"]: row for row in case["passes"]}
        for name, times in WORKLOADS[case["workload"]].times.items():
            assert rows[f"syscall:{name}"]["counted"] == times
            assert rows[f"syscall:{name}"]["average"] == times
    # What other work makes of page faults is not in our hands; guests have no other work.
    differing = [
        (case["workload"], row)
        for case in cases.values()
        for row in case["passes"]
        if "average" in row and row["times"] not in (None, row.get("counted"))
    ]
    assert run.returncode == (1 if differing else 0), differing


def test_tasks_that_a_call_starts_are_counted(found):
    _, cases = found
    for name in ("thread_create", "fork_wait", "exec"):
        rows = {row["point"]: row.get("average") for row in cases[name]["passes"]}
        assert rows["tracepoint:task:task_newtask"] == 1
        assert rows["tracepoint:sched:sched_process_exit"] == 1
        assert rows.get("tracepoint:sched:sched_process_exec", 0) == (name == "exec")


@pytest.mark.parametrize("passes", ["task:task_newtask 2", ""])
def test_wrong_row_is_found_out(passes):
    wrong = replace(WORKLOADS["thread_create"], passes=passes)
    with counted(known_places([WORKLOADS["thread_create"]])) as counter:
        (case,) = make_record([wrong], counter)["cases"]
    (row,) = (each for each in case["passes"] if each["point"] == "tracepoint:task:task_newtask")
    assert (row["counted"], row["average"]) == (1, 1)
    assert row["times"] == (2 if passes else 0)
