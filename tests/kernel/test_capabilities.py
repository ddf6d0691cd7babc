"""What a process with few capabilities can measure, and which one it is told that it lacks."""

from __future__ import annotations

import json
import os

import gate
import pytest
from processes import run_command

from ebpf_overhead.bpf.privileges import CAPABILITIES

TRACING = {"CAP_BPF", "CAP_PERFMON"}


@pytest.fixture(autouse=True)
def root():
    if os.geteuid() != 0:
        gate.cannot_run("only root can give capabilities up")


def measured(held: set[str], *arguments: str):
    without = tuple(CAPABILITIES.keys() - held)
    return run_command("measure", "--time=0.05", "--json", *arguments, without=without)


@pytest.mark.parametrize(
    ("held", "lacks"),
    [
        (set(), "CAP_BPF and CAP_PERFMON"),
        ({"CAP_BPF"}, "CAP_PERFMON"),
        ({"CAP_PERFMON"}, "CAP_BPF"),
    ],
)
def test_what_is_missing_is_named(held, lacks):
    run = measured(held, "--attach=tp_btf")
    assert run.returncode == 3
    assert f"attaching BPF programs needs CAP_BPF and CAP_PERFMON: {lacks} missing" in run.stderr
    assert run.stderr.count("\n") == 1


def test_without_statistics_copies_count_their_runs(support):
    for name in ("tp_btf", "uprobe_multi"):
        if support[name].status != "available":
            gate.cannot_run(f"this kernel has no {name}")
    programs = [f"--program={name}" for name in ("empty", "simple", "complex")]
    run = measured(TRACING, "--attach=tp_btf", "--attach=uprobe_multi", *programs)
    assert run.returncode == 0, run.stderr
    cases = [each for each in json.loads(run.stdout)["cases"] if each["status"] == "measured"]
    assert {(each["attach"], each["program"]) for each in cases} >= {
        (attach, program)
        for attach in ("tp_btf", "uprobe_multi")
        for program in ("empty", "simple", "complex")
    }
    for case in cases:
        assert case["counted_by"] == "copy"
        assert abs(case["hits"] - case["calls"] * case["runs_per_call"]) <= case["hits_slack"]
        assert case["calls"] > 0
        assert not case.get("findings"), "the copy does what the program does"


def test_what_is_needed_besides_is_named(support):
    if support["uprobe"].status != "available":
        gate.cannot_run("this kernel has no uprobe")
    chosen = ["--attach=uprobe", "--attach=sock_ops", "--attach=uprobe_multi", "--program=empty"]
    run = measured(TRACING, *chosen)
    reasons = {
        each["attach"]: each["reason"]
        for each in json.loads(run.stdout)["cases"]
        if each["status"] == "refused"
    }
    # Some kernels let CAP_PERFMON do.
    assert "CAP_SYS_ADMIN missing" in reasons.get("uprobe", "CAP_SYS_ADMIN missing")
    if support["sock_ops"].status == "available":
        assert "CAP_NET_ADMIN missing" in reasons["sock_ops"]


def test_root_has_the_kernel_count(support):
    if support["tp_btf"].status != "available":
        gate.cannot_run("this kernel has no tp_btf")
    run = measured({*TRACING, "CAP_SYS_ADMIN"}, "--attach=tp_btf", "--program=empty")
    assert run.returncode == 0, run.stderr
    (case,) = json.loads(run.stdout)["cases"]
    assert "counted_by" not in case
    assert case["hits"] == case["calls"] * case["runs_per_call"]
