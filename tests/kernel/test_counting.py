"""Hits on the running kernel: own ones, foreign ones, and probes in the wrong place."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from processes import start_python

from ebpf_overhead import _workload, attach, bpf, measure, proof
from ebpf_overhead.attach import Probe
from ebpf_overhead.cases import ATTACH_TYPES, GETPID, STANDARD_ATTACH_TYPES, Target, select
from ebpf_overhead.errors import FailedError
from ebpf_overhead.measure import Options, measure_case
from ebpf_overhead.proof import count_hits

CALLS = 1_000
TARGET_ONLY = [name for name in STANDARD_ATTACH_TYPES if not ATTACH_TYPES[name].system_wide]
HAMMER = """
import os
print("ready", flush=True)
while True:
    os.getpid(); os.getppid(); os.stat("/")
"""


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


def test_calls_of_others_are_told_apart(case, call, witness):
    foreign = 0
    with somebody_else_calling(), attach.load(case) as probe:
        probe.attach()
        for _ in range(200):
            hits = count_hits(probe, CALLS, call, witness)
            # It may call at the very moment of the reading, each time.
            hits.check(case.name)
            assert abs(hits.hits - CALLS) < 20
            assert hits.foreign_hits is not None
            foreign += hits.foreign_hits
            if foreign:
                break
    assert foreign > 0


def test_calls_of_another_thread_are_foreign(case, call, witness):
    """The witness knows the measuring thread, not the process."""
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
                hits = count_hits(probe, CALLS, call, witness)
                assert hits.hits == CALLS
                foreign += hits.foreign_hits or 0
                if foreign:
                    break
        finally:
            stop.set()
            thread.join()
    assert foreign > 0


def test_other_calls_of_the_own_thread_are_no_hits(case, witness):
    def call_and_more(calls: int) -> None:
        for _ in range(calls):
            os.getpid()
            os.getppid()

    with attach.load(case) as probe:
        probe.attach()
        assert count_hits(probe, CALLS, call_and_more, witness).hits == CALLS


@pytest.mark.parametrize("attach_type", TARGET_ONLY, indirect=True)
def test_without_a_witness_hooks_of_the_target_alone_still_count(case, call):
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
    with attach.load(replace(case, target=Target("getpid", syscall="getppid"))) as probe:
        probe.case = case
        yield probe


def test_probe_in_the_wrong_place_does_not_fire(probe_of_getppid, call, witness):
    with probe_of_getppid as probe:
        assert probe.hook == "syscalls:sys_enter_getppid"
        probe.attach()
        hits = count_hits(probe, CALLS, call, witness)
        with pytest.raises(FailedError) as caught:
            hits.check(probe.case.name)
    words = "getpid/tracepoint/simple never fired: 0 hits for 1000 calls"
    assert caught.value.what == words


def test_probe_in_the_wrong_place_is_a_failed_row(probe_of_getppid, witness, monkeypatch):
    case = probe_of_getppid.case
    monkeypatch.setattr(measure, "load", lambda case, compiled: probe_of_getppid)
    result = measure_case(case, Options(time_s=0.1), witness)
    assert result.status == "failed"
    assert "never fired: 0 hits for 1000 calls" in (result.reason or "")
    assert not probe_of_getppid.attached


def test_system_wide_probe_in_the_wrong_place_does_not_fire(support, call, witness):
    """The runs of others that it lacks do not make its hits negative."""
    skip_unless_available(support, "raw_tracepoint")
    (case,) = select(["raw_tracepoint"], ["empty"])
    with somebody_else_calling(), attach.load(case) as right:
        hook = partial(bpf.raw_tracepoint_open, right.prog_fd, "sched_switch")
        wrong = Probe(case, right.compiled, right.prog_fd, "sched_switch", hook)
        wrong.attach()
        try:
            hits = count_hits(wrong, CALLS, call, witness)
        finally:
            wrong.detach()
    assert 0 <= hits.hits < CALLS / 2
    with pytest.raises(FailedError, match=f"{hits.hits} hits for 1000 calls"):
        hits.check(case.name)


def test_probe_attached_twice_is_a_failure(support, call, witness):
    """Twice the overhead would be measured."""
    skip_unless_available(support, "raw_tracepoint")
    (case,) = select(["raw_tracepoint"], ["empty"])
    with attach.load(case) as probe:
        probe.attach()
        second = bpf.raw_tracepoint_open(probe.prog_fd, "sys_enter")
        try:
            hits = count_hits(probe, CALLS, call, witness)
        finally:
            os.close(second)
        with pytest.raises(FailedError, match=r"\d+ hits for 1000 calls"):
            hits.check(case.name)
        assert count_hits(probe, CALLS, call, witness).hits == CALLS


def test_witness_counts_nothing_when_it_is_not_attached(call, witness):
    call(CALLS)
    before = witness.read()
    call(CALLS)
    assert witness.read() == before
    with witness.attached():
        call(CALLS)
    assert witness.read().own_target == before.own_target + CALLS
    after = witness.read()
    call(CALLS)
    assert witness.read() == after


def test_witness_is_compiled_once():
    first, second = proof.open_witness(GETPID), proof.open_witness(GETPID)
    assert first is not None
    assert second is not None
    assert first._compiled is second._compiled
    first.close()
    second.close()
