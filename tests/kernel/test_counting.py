"""Hits on the running kernel: own ones, foreign ones, and probes in the wrong place."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from processes import start_python

from ebpf_overhead.bpf import statistics, syscall
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.cases import ATTACH_TYPES, STANDARD_ATTACH_TYPES, select
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure import run as measure
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.run_count_check import count_hits
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID, Workload

CALLS = 1_000
TARGET_ONLY = [name for name in STANDARD_ATTACH_TYPES if not ATTACH_TYPES[name].system_wide]
HAMMER = """
import os
print("ready", flush=True)
while True:
    os.getpid(); os.getppid(); os.stat("/")
"""


@pytest.fixture(autouse=True, params=["kernel", "copy"])
def counted_by(request, monkeypatch):
    """Who counts runs: without CAP_SYS_ADMIN a copy of the program does."""
    monkeypatch.setattr(statistics, "refused", lambda: request.param == "copy")


@contextmanager
def somebody_else_calling():
    """A process that makes the target's and other system calls all the time."""
    child = start_python(HAMMER)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield
        assert child.poll() is None, "it died while it was needed"
    finally:
        child.kill()
        child.communicate()


def test_calls_of_others_are_told_apart(case, call, caller_counter):
    foreign = 0
    with somebody_else_calling(), attach.load(case) as probe:
        probe.attach()
        for _ in range(200):
            hits = count_hits(probe, CALLS, call, caller_counter)
            # It may call at the very moment of the reading, each time.
            hits.check(case.name)
            assert abs(hits.hits - CALLS) < 20
            assert hits.foreign_hits is not None
            foreign += hits.foreign_hits
            if foreign:
                break
    assert foreign > 0


def test_calls_of_another_thread_are_foreign(case, call, caller_counter):
    """The caller counter knows the measuring thread, not the process."""
    stop = threading.Event()

    def call_too() -> None:
        while not stop.is_set():
            _workload.run("getpid", 500)

    thread = threading.Thread(target=call_too)
    with attach.load(case) as probe:
        probe.attach()
        thread.start()
        try:
            foreign = 0
            for _ in range(200):
                hits = count_hits(probe, CALLS, call, caller_counter)
                assert hits.hits == CALLS
                foreign += hits.foreign_hits or 0
                if foreign:
                    break
        finally:
            stop.set()
            thread.join()
    assert foreign > 0


def test_other_calls_of_the_own_thread_are_no_hits(case, caller_counter):
    def call_and_more(calls: int) -> None:
        for _ in range(calls):
            os.getpid()
            os.getppid()

    with attach.load(case) as probe:
        probe.attach()
        assert count_hits(probe, CALLS, call_and_more, caller_counter).hits == CALLS


@pytest.mark.parametrize("attach_type", TARGET_ONLY, indirect=True)
def test_without_a_caller_counter_hooks_of_the_target_alone_still_count(case, call):
    with attach.load(case) as probe:
        probe.attach()
        hits = count_hits(probe, CALLS, call, None)
    assert hits.hits >= CALLS
    assert hits.foreign_hits is None


def skip_unless_available(support, name: str) -> None:
    if support[name].status != "available":
        pytest.skip(f"{name}: {support[name].reason}")


@pytest.fixture
def probe_of_getppid(support):
    """A probe that claims to be on getpid and is on getppid."""
    skip_unless_available(support, "tracepoint")
    (case,) = select(["tracepoint"], ["simple"])
    with attach.load(replace(case, workload=Workload("getpid", syscall="getppid"))) as probe:
        probe.case = case
        yield probe


def test_probe_in_the_wrong_place_does_not_fire(probe_of_getppid, call, caller_counter):
    with probe_of_getppid as probe:
        assert probe.hook == "syscalls:sys_enter_getppid"
        probe.attach()
        hits = count_hits(probe, CALLS, call, caller_counter)
        with pytest.raises(FailedError) as caught:
            hits.check(probe.case.name)
    words = "getpid/tracepoint/simple never fired: 0 hits for 1000 calls"
    assert caught.value.what == words


def test_probe_in_the_wrong_place_is_a_failed_row(probe_of_getppid, caller_counter, monkeypatch):
    case = probe_of_getppid.case
    monkeypatch.setattr(measure, "load", lambda case, compiled: probe_of_getppid)
    result = measure_case(case, Sampling(time_s=0.1))
    assert result.status == "failed"
    assert "never fired: 0 hits for 1000 calls" in (result.reason or "")
    assert not probe_of_getppid.attached


def test_system_wide_probe_in_the_wrong_place_does_not_fire(support, call, caller_counter):
    """The runs of others that it lacks do not make its hits negative."""
    skip_unless_available(support, "raw_tracepoint")
    (case,) = select(["raw_tracepoint"], ["empty"])
    wrong = Probe(case, programs.compiled(case.program), AttachPoint("sched_switch"))
    with somebody_else_calling(), wrong:
        wrong.attach()
        hits = count_hits(wrong, CALLS, call, caller_counter)
    assert 0 <= hits.hits < CALLS / 2
    with pytest.raises(FailedError, match=f"{hits.hits} hits for 1000 calls"):
        hits.check(case.name)


@pytest.mark.parametrize("counted_by", ["kernel"], indirect=True)
def test_probe_attached_twice_is_a_failure(support, call, caller_counter):
    """Twice the overhead would be measured."""
    skip_unless_available(support, "raw_tracepoint")
    (case,) = select(["raw_tracepoint"], ["empty"])
    with attach.load(case) as probe:
        probe.attach()
        second = syscall.raw_tracepoint_open(probe.program.fd, "sys_enter")
        try:
            hits = count_hits(probe, CALLS, call, caller_counter)
        finally:
            os.close(second)
        with pytest.raises(FailedError, match=r"\d+ hits for 1000 calls"):
            hits.check(case.name)
        assert count_hits(probe, CALLS, call, caller_counter).hits == CALLS


def test_caller_counter_counts_nothing_when_it_is_not_attached(call, caller_counter):
    call(CALLS)
    before = caller_counter.read()
    call(CALLS)
    assert caller_counter.read() == before
    with caller_counter.attached():
        call(CALLS)
    assert caller_counter.read().own_target == before.own_target + CALLS
    after = caller_counter.read()
    call(CALLS)
    assert caller_counter.read() == after


def test_caller_counter_is_compiled_once():
    first, second = (
        open_caller_counter(GETPID),
        open_caller_counter(GETPID),
    )
    assert first is not None
    assert second is not None
    assert first._compiled is second._compiled
    first.close()
    second.close()
