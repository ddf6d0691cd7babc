"""The further attach types on the running kernel: one run a call, and none when detached.

How hooks are held, dropped and counted is the same for all of them, and tested with the
standard ones.
"""

from __future__ import annotations

import os
import random

import pytest
from processes import open_descriptors, start_python

from ebpf_overhead.bpf import syscall
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import ATTACH_TYPES, STANDARD_ATTACH_TYPES, Case, select
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.measure.run_count_check import count_hits
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.calling_threads import CallingThreads

CALLS = 1_000
FURTHER = [name for name in ATTACH_TYPES if name not in STANDARD_ATTACH_TYPES]
CASES = select(FURTHER, ["simple"])


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def probe(request, support):
    """A probe of every further attach type that this kernel has, on each of its targets."""
    here = support[request.param.attach.name]
    if here.status != "available":
        pytest.skip(f"{here.status}: {here.reason}")
    try:
        loaded = attach.load(request.param)
    except UnsupportedError as error:
        pytest.skip(f"unsupported on this target: {error}")
    with loaded:
        yield loaded


@pytest.fixture
def caller_counter(probe):
    case = probe.case
    opened = open_caller_counter(case.workload, case.attach.at_exit)
    assert (opened is None) == (case.workload.syscall is None)
    yield opened
    if opened is not None:
        opened.close()


def call_target(case: Case):
    return lambda calls: _workload.run(case.workload.name, calls)


def runs(probe: attach.Probe) -> int:
    stats = syscall.enable_stats()
    try:
        before = probe.program.info().run_count
        _workload.run(probe.case.workload.name, CALLS)
        return probe.program.info().run_count - before
    finally:
        os.close(stats)


def test_attached_program_runs_as_often_as_it_should_and_detached_never(probe, caller_counter):
    assert runs(probe) == 0, "loaded only"
    before = open_descriptors()
    for _ in range(2):
        probe.attach()
        hits = count_hits(probe, CALLS, call_target(probe.case), caller_counter)
        assert hits.hits == hits.expected == CALLS * probe.case.runs_per_call
        probe.detach()
        assert runs(probe) == 0, "detached"
    assert open_descriptors() == before


def test_loaded_anew_it_runs_as_often_and_in_any_thread(probe, caller_counter):
    before, loadings = open_descriptors(), set()
    expected = CALLS * probe.case.runs_per_call
    with CallingThreads(random.Random()) as threads:
        for _ in range(3):
            probe.switch(True)
            loadings.add(probe.program.info().prog_id)
            hits = count_hits(probe, CALLS, call_target(probe.case), caller_counter)
            assert hits.hits == hits.expected == expected
            # Who else calls cannot be distinguished there.
            assert threads.turn()(lambda: runs(probe)) >= expected
        probe.switch(False)
    assert len(loadings) == 3
    assert runs(probe) == 0, "detached"
    assert open_descriptors() == before


SLEEPER = """
import os, time
print("ready", flush=True)
while True:
    time.sleep(0.001); os.getpid(); os.getppid()
"""


def test_calls_of_others_are_told_apart(probe, caller_counter):
    """Also of those who began to wait in a system call before the count and return in it."""
    if not probe.case.attach.system_wide:
        pytest.skip("serves the target only")
    child = start_python(SLEEPER)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        probe.attach()
        foreign = 0
        for _ in range(200):
            hits = count_hits(probe, CALLS, call_target(probe.case), caller_counter)
            hits.check(probe.case.name)
            foreign += hits.foreign_hits
            if foreign:
                break
        assert foreign > 0
    finally:
        child.kill()
        child.communicate()


def test_another_process_runs_no_uprobe_of_this_one(probe):
    if probe.case.workload.syscall is not None:
        pytest.skip("a system call is everybody's")
    if probe.case.attach.everybodys:
        pytest.skip("so is a hook that others pass")
    probe.attach()
    stats = syscall.enable_stats()
    try:
        code = (
            "import sys; from ebpf_overhead.workload import _workload;"
            " _workload.run(sys.argv[1], 1000)"
        )
        child = start_python(code, probe.case.workload.name)
        assert child.communicate(timeout=60)[1] == ""
        assert probe.program.info().run_count == 0
        assert child.returncode == 0
    finally:
        os.close(stats)
