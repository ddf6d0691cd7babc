"""The text of a BCC tool, measured as it is on the running kernel."""

from __future__ import annotations

import json

import gate
import jsonschema
import pytest
from bcc_tool_text import TOOL
from processes import run_command

from ebpf_overhead.studies.registry import schema


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    path = tmp_path_factory.mktemp("tool") / "tool.c"
    path.write_text(TOOL)
    run = run_command("measure", "--program", str(path), "--time=0.05", "--format=json", "--wait")
    record = json.loads(run.stdout)
    jsonschema.validate(record, schema())
    return {case["program"].partition(":")[2]: case for case in record["cases"]}


def test_each_function_is_attached_where_its_name_says(cases):
    assert {name: case["attach"] for name, case in cases.items() if name} == {
        "tracepoint__syscalls__sys_enter_getpid": "tracepoint",
        "raw_tracepoint__sys_exit": "raw_tracepoint_exit",
        "kprobe__sys_getpid": "kprobe",
        "kretprobe__sys_getpid": "kretprobe",
        "kfunc__GETPID": "fentry",
    }


def test_event_is_compiled_with_the_format_of_this_kernel(cases, support):
    """From tracefs, whether it is mounted or not."""
    if support["tracepoint"].status != "available":
        gate.cannot_run("this kernel has no tracepoint")
    case = cases["tracepoint__syscalls__sys_enter_getpid"]
    assert case["status"] == "measured", case["reason"]
    assert case["hook"] == "syscalls:sys_enter_getpid"
    assert abs(case["hits"] - case["calls"]) <= case["hits_slack"]


def test_function_that_lacks_the_other_one_of_its_pair_says_so(cases, support):
    if support["raw_tracepoint_exit"].status != "available":
        gate.cannot_run("this kernel has no raw_tracepoint")
    case = cases["raw_tracepoint__sys_exit"]
    assert case["status"] == "measured", case["reason"]
    assert "found no key of map start in all of" in case["findings"][0]["what"]


def test_functions_together_find_what_the_others_store(cases):
    """The row of all of them has the tool's name."""
    together = cases[""]
    assert together["status"] == "measured", together["reason"]
    assert "findings" not in together
