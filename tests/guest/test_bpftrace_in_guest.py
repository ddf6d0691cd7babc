"""Scripts of bpftrace's, compiled and measured on another kernel."""

from __future__ import annotations

import json

import pytest
from bpftrace_script import OF_FUNCTIONS
from processes import run_command

ENTRY, RETURN = "kprobe:__x64_sys_getpid", "kretprobe:__x64_sys_getpid"


@pytest.fixture(scope="module")
def cases(kernels, tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.bt"
    path.write_text(OF_FUNCTIONS)
    run = run_command(
        *("measure", f"--kernel={kernels[-1].release}", f"--program={path}", "--format=json"),
        timeout=400,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["cases"]
    return {case["program"].removeprefix("script.bt").lstrip(":"): case for case in found}


@pytest.mark.parametrize(
    ("name", "attach", "filled"),
    [
        (ENTRY, "kprobe", "@first"),
        (f"{ENTRY}#2", "kprobe", "@second"),
        (RETURN, "kretprobe", "@after"),
        ("kfunc:__do_sys_getpid", "fentry", "@third"),
        ("kretfunc:__do_sys_getpid", "fexit", "@fourth"),
    ],
)
def test_each_probe_is_measured_with_its_own_program(cases, name, attach, filled):
    case = cases[name]
    assert case["status"] == "measured", case["reason"]
    assert (case["attach"], case["hook"]) == (attach, name.rpartition(":")[2].removesuffix("#2"))
    assert case["hits"] == case["calls"] >= 2000
    assert {each["name"] for each in case["maps"] if each["entries"]} == {filled}


def test_buffer_is_read(cases):
    assert cases[RETURN]["records_received"] >= cases[RETURN]["calls"]


def test_all_of_them_together_cost_what_they_cost_alone(cases):
    """But for the hooks that they share."""
    together = cases[""]
    assert together["status"] == "measured", together["reason"]
    alone = [case["overhead"]["estimate"] for name, case in cases.items() if "overhead" in case]
    alone.remove(together["overhead"]["estimate"])
    assert 0.9 * sum(alone) < together["overhead"]["estimate"] < 1.05 * sum(alone)
    assert len([each for each in together["maps"] if each["entries"]]) == len(alone)


def test_what_this_kernel_lacks_says_so(cases):
    case = cases["kfunc:__no_such_function"]
    assert case["status"] == "unsupported"
    assert case["reason"] == "__no_such_function not in the kernel's BTF"
