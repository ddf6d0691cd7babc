"""The text of a BCC tool, measured as it is on other kernels."""

from __future__ import annotations

import json

import pytest
from bcc_tool_text import TOOL
from processes import run_command


@pytest.fixture(scope="module", params=["oldest", "newest"])
def cases(request, kernels, tmp_path_factory):
    kernel = kernels[0 if request.param == "oldest" else -1]
    path = tmp_path_factory.mktemp("tool") / "tool.c"
    path.write_text(TOOL.replace("GETPID", "__do_sys_getpid"))
    run = run_command(
        *("measure", f"--kernel={kernel.release}", f"--program={path}", "--format=json"),
        timeout=400,
    )
    assert run.returncode == 0, run.stderr
    return {each["program"].partition(":")[2]: each for each in json.loads(run.stdout)["cases"]}


@pytest.mark.parametrize(
    ("name", "attach", "hook"),
    [
        ("tracepoint__syscalls__sys_enter_getpid", "tracepoint", "syscalls:sys_enter_getpid"),
        ("raw_tracepoint__sys_exit", "raw_tracepoint_exit", "sys_exit"),
        ("kprobe__sys_getpid", "kprobe", "__do_sys_getpid"),
        ("kretprobe__sys_getpid", "kretprobe", "__do_sys_getpid"),
        ("kfunc____do_sys_getpid", "fentry", "__do_sys_getpid"),
    ],
)
def test_each_function_is_measured_where_its_name_says(cases, name, attach, hook):
    case = cases[name]
    assert case["status"] == "measured", case["reason"]
    assert (case["attach"], case["hook"]) == (attach, hook)
    assert case["hits"] == case["calls"] >= 2000


def test_buffer_of_any_name_is_read(cases):
    case = cases["kprobe__sys_getpid"]
    assert case["records_received"] >= case["calls"]
