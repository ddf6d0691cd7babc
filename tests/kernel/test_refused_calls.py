"""Under a seccomp filter that refuses bpf(2) or perf_event_open(2), as a container's does."""

from __future__ import annotations

import errno
import json

import gate
import pytest
from processes import run_command

from ebpf_overhead.errors import ExitStatus

COMMANDS = (
    ("measure", "--attach=tp_btf", "--program=empty"),
    ("estimate", "syscall:openat"),
    ("funclatency", "syscall:openat"),
    ("profile", "--attach=raw_tracepoint"),
    ("top",),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_without_bpf_nothing_can_be_measured(words):
    run = run_command(*words, refused=("bpf",))
    assert run.returncode == ExitStatus.NOTHING_MEASURABLE
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert "bpf(2) refused to this process" in line
    assert "by a container's seccomp or the like" in line


def test_kernel_without_bpf():
    run = run_command(*COMMANDS[0], refused=("bpf",), refused_with=errno.ENOSYS)
    assert run.returncode == ExitStatus.NOTHING_MEASURABLE
    (line,) = run.stderr.splitlines()
    assert "has no usable BPF (ENOSYS from bpf(2)); use Linux 5.8 or newer" in line


def test_doctor_without_bpf_says_refused_of_each_row():
    run = run_command("doctor", "--json", refused=("bpf",))
    assert run.returncode == ExitStatus.NOTHING_MEASURABLE, run.stderr
    rows = {each["attach"]: each for each in json.loads(run.stdout)["attach_types"]}
    assert rows["tp_btf"]["status"] == rows["raw_tracepoint"]["status"] == "refused"
    assert "bpf(2) refused to this process" in rows["tp_btf"]["reason"]


def test_without_perf_events_the_other_rows_are_measured(support):
    if {support[name].status for name in ("tracepoint", "tp_btf")} != {"available"}:
        gate.cannot_run("this kernel has no tracepoint or no tp_btf")
    chosen = ("--attach=tracepoint", "--attach=tp_btf", "--program=empty", "--time=0.05")
    run = run_command("measure", *chosen, "--json", refused=("perf_event_open",))
    assert run.returncode == 0, run.stderr
    cases = {each["attach"]: each for each in json.loads(run.stdout)["cases"]}
    assert cases["tp_btf"]["status"] == "measured"
    assert cases["tracepoint"]["status"] == "refused"
    assert "perf_event_open(2) refused to this process" in cases["tracepoint"]["reason"]
