"""Bystanders: whose calls a program runs for, and the other process that makes some."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import open_descriptors, start_python

from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import Bystander, select
from ebpf_overhead.measure import bystander
from ebpf_overhead.measure.bystander import BYSTANDERS, Caller, at_work, seen_by_all
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.workload.other_process import OtherProcess
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS

GETPPID, READ, ELSEWHERE = BYSTANDERS
OPENAT_CLOSE = Bystander(WORKLOADS["openat_close"])


def case(attach, target="getpid"):
    return select([attach], ["empty"], [target])[0]


@pytest.mark.parametrize(
    ("attach", "seen_by", "runs"),
    [
        ("fentry", GETPPID, 0),
        ("tracepoint", GETPPID, 0),
        ("kprobe_session", ELSEWHERE, 0),
        ("tp_btf", GETPPID, 1),
        ("tp_btf", ELSEWHERE, 1),
        ("raw_tracepoint_exit", OPENAT_CLOSE, 2),
    ],
)
def test_runs_for_a_call_of_a_bystander(attach, seen_by, runs):
    assert seen_by.runs_per_call(case(attach)) == runs


def test_who_calls_the_target_is_no_bystander():
    def callers(target):
        views = seen_by_all(case("tp_btf", target))
        assert all(each.after_detach and each.workload.name == target for each in views)
        return [each.caller for each in views]

    assert callers("getpid") == [None, *BYSTANDERS]
    assert callers("read") == [None, GETPPID, ELSEWHERE]


def test_bystanders_call_what_is_named():
    views = seen_by_all(case("uprobe", "function"), ("exec", "mmap_file"))
    assert [each.caller and each.caller.name for each in views] == [None, "exec", "mmap_file"]


@pytest.mark.parametrize("attach", ["tp_btf", "fentry"])
@pytest.mark.parametrize("hits", [0, 3, 1000])
def test_other_runs_than_the_hook_makes_are_a_failure(monkeypatch, attach, hits):
    asked = []

    def count(probe, calls, call, caller_counter, expected):
        call(calls)
        return Hits(calls, hits, 0, 0, expected)

    def caller_counter(target, at_exit, thread):
        asked.append((target, thread))

    monkeypatch.setattr(bystander, "count_hits", count)
    monkeypatch.setattr(bystander, "open_caller_counter", caller_counter)
    made = []
    caller = Caller(ELSEWHERE, lambda target, calls, cpu: made.append((target, calls, cpu)), 77)
    probe = SimpleNamespace(case=case(attach))
    right = 1000 if attach == "tp_btf" else 0
    if hits == right:
        assert caller.prove(probe, 3).hits == right
    else:
        with pytest.raises(FailedError, match=rf"ran {hits} times for 1000 calls of getppid"):
            caller.prove(probe, 3)
    assert made == [("getppid", 1000, 3)]
    # Of a hook of one call the target's other callers are told apart, else the bystander.
    assert asked == [(ELSEWHERE.workload if attach == "tp_btf" else GETPID, 77)]


def test_no_process_unless_it_is_wanted(monkeypatch):
    monkeypatch.setattr(bystander, "OtherProcess", lambda: pytest.fail("forked"))
    with at_work(None) as caller:
        assert caller is None
    with at_work(GETPPID) as caller:
        assert caller.thread == os.getpid()


@pytest.mark.parametrize("wanted", BYSTANDERS)
def test_every_bystander_calls(wanted):
    with at_work(wanted) as caller:
        assert caller.bystander is wanted
        elapsed_ns, calls = caller.run(wanted.workload.name, 100, windows=3)
        assert (len(elapsed_ns), calls) == (3, 300)
        assert (caller.thread != os.getpid()) == wanted.elsewhere
    assert Path(f"/proc/{caller.thread}").exists() != wanted.elsewhere


def test_other_process_is_another_one_and_ends():
    before = open_descriptors()
    with OtherProcess() as other:
        assert other.pid != os.getpid()
        assert Path(f"/proc/{other.pid}").exists()
        other.run("getppid", 10)
    assert not Path(f"/proc/{other.pid}").exists()
    assert open_descriptors() == before


def test_it_waits_when_it_has_answered():
    with OtherProcess() as other:
        for _ in range(20):
            other.run("getppid", 10)
            assert Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_what_fails_there_is_raised_here():
    with OtherProcess() as other:
        with pytest.raises(ValueError, match="nothing"):
            other.run("nothing", 1)
        other.run("getppid", 1)


def test_its_end_is_told_with_what_was_called():
    with OtherProcess() as other:
        os.kill(other.pid, signal.SIGKILL)
        with pytest.raises(FailedError, match="the process that calls getppid ended"):
            other.run("getppid", 1)


def test_it_does_not_outlive_a_killed_parent():
    code = (
        "import time\n"
        "from ebpf_overhead.workload.other_process import OtherProcess\n"
        "other = OtherProcess()\n"
        "print(other.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with start_python(code) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline_s = time.monotonic() + 20
    while _runs(pid):
        assert time.monotonic() < deadline_s, "it still runs"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # only waits to be reaped
