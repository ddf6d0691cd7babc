"""Workloads besides getpid on the running kernel: every hook found, every run accounted for."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import ATTACH_TYPES, select
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.run_count_check import count_hits
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS

# Also some that start tasks, or that another thread answers.
SEVERAL_TASKS = ["pipe_pingpong", "futex_pingpong", "thread_create", "fork_wait", "exec"]


@pytest.fixture(params=["read", "openat_close", "sendto", "tcp_connect", *SEVERAL_TASKS])
def workload(request):
    return WORKLOADS[request.param]


@pytest.fixture
def call(workload):
    return partial(_workload.run, workload.name, cpu=choose_cpu())


@pytest.fixture
def caller_counter(workload):
    caller_counter = open_caller_counter(workload)
    if caller_counter is None:
        pytest.skip("this kernel has no caller counter")
    yield caller_counter
    caller_counter.close()


@pytest.fixture
def case(workload, attach_type):
    (case,) = select([attach_type], ["simple"], [workload.name])
    return case


def test_every_run_is_accounted_for(case, call, caller_counter, workload):
    with attach.load(case) as probe:
        assert case.attach.system_wide or case.workload.syscall in probe.hook
        probe.attach()
        hits = count_hits(probe, workload.checked_calls, call, caller_counter)
    assert hits.hits == workload.checked_calls * case.runs_per_call
    hits.check(case.name)


def test_caller_counters_of_several_targets_do_not_get_into_each_others_way(
    case, call, caller_counter, workload
):
    other = open_caller_counter(GETPID)
    assert other is not None
    other.close()
    with attach.load(case) as probe:
        probe.attach()
        count_hits(probe, workload.checked_calls, call, caller_counter).check(case.name)


def test_the_caller_counter_tells_own_calls_from_foreign_ones(workload, call, caller_counter):
    """Also those that another thread makes of the second system call of a call."""
    if workload.name in SEVERAL_TASKS:
        pytest.skip("its tasks are known by their name, which those of the other thread have, too")
    stop = threading.Event()

    def call_too() -> None:
        while not stop.is_set():
            _workload.run(workload.name, workload.checked_calls // 2)

    thread = threading.Thread(target=call_too)
    with caller_counter.attached():
        thread.start()
        try:
            before = caller_counter.read()
            call(workload.checked_calls)
            after = caller_counter.read()
            while caller_counter.read().foreign_target == before.foreign_target:
                pass
        finally:
            stop.set()
            thread.join()
    assert after.own_target - before.own_target == workload.checked_calls * workload.entries(True)


def test_a_hook_of_half_of_the_system_calls_is_found_out(support, call, caller_counter, workload):
    """A program that runs for openat alone must not pass for one that runs for both."""
    if workload.entries(True) != 2 or support["tracepoint"].status != "available":
        pytest.skip("needs a workload of two system calls and tracepoints")
    (case,) = select(["tracepoint"], ["simple"], [workload.name])
    (claimed,) = select(["tp_btf"], ["simple"], [workload.name])
    with attach.load(case) as probe:
        probe.case = claimed
        probe.attach()
        hits = count_hits(probe, workload.checked_calls, call, caller_counter)
    # The calls of others, which it does not run for either, are subtracted from its hits.
    with pytest.raises(FailedError, match=r"did not fire twice a call|never fired"):
        hits.check(claimed.name)


def test_it_is_measured_against_its_own_baseline(support, workload, caller_counter):
    if workload.checked_calls < 1_000:
        pytest.skip("where time is spent differs from call to call")
    available = [
        name
        for name, here in support.items()
        if here.status == "available" and ATTACH_TYPES[name].workload_kind == workload.kind
    ]
    (case,) = select(available[-1:], ["simple"], [workload.name])
    result = measure_case(case, Sampling(Precision(0.5), time_s=0.2))
    assert result.measurement is not None, result.reason
    measured = result.measurement
    assert measured.hits.hits == measured.hits.calls * case.runs_per_call
    fastest_ns = {"getpid": float("inf"), workload.name: float("inf")}
    for _ in range(20):
        for name in fastest_ns:
            elapsed_ns, _ = _workload.run(name, 1_000, 50, cpu=choose_cpu())
            fastest_ns[name] = min(fastest_ns[name], *elapsed_ns)
    # Nearer to its own than to another one's: shortest times of the same calls differ a little.
    between_ns = sum(fastest_ns.values()) / 2
    assert min(measured.samples.baseline) > between_ns / 1_000
