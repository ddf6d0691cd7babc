"""Watching a workload for gaps: spans, the caller's own CPU, and the end of the thread."""

from __future__ import annotations

import os
import signal
import time

import pytest
from processes import start_python
from threads import assert_no_thread_is_left, threads

from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.watch import watching

CPUS = sorted(os.sched_getaffinity(0))
several = pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
STALL_S = 0.2


@several
@pytest.mark.parametrize("workload", ["getpid", "sendto", "function"])
def test_each_span_has_its_own_gap(workload):
    with watching(workload, CPUS[-1]) as watch:
        gaps_ns = [watch.close_span() for _ in range(100)]
    assert all(gap_ns > 0 for gap_ns in gaps_ns)


@several
def test_caller_has_its_own_cpu_and_affinity_is_restored():
    before = threads()
    with watching("getpid", CPUS[-1]) as watch:
        watch.close_span()
        assert os.sched_getaffinity(0) == set(CPUS[:-1])
        assert len(threads() - before) == 1
    assert os.sched_getaffinity(0) == set(CPUS)
    assert_no_thread_is_left(before)


@several
def test_caller_ends_when_the_block_fails():
    before = threads()
    with pytest.raises(KeyboardInterrupt), watching("getpid", CPUS[-1]):
        raise KeyboardInterrupt
    assert_no_thread_is_left(before)


def close_spans_for_ever() -> None:
    with watching("getpid", CPUS[-1]) as watch:
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        while True:
            watch.close_span()


@several
def test_caller_ends_whenever_the_block_is_interrupted():
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = threads()
    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            with pytest.raises(KeyboardInterrupt):
                close_spans_for_ever()
    finally:
        signal.signal(signal.SIGALRM, earlier)
    assert os.sched_getaffinity(0) == set(CPUS)
    assert_no_thread_is_left(before)


@several
def test_error_of_the_calling_thread_is_raised_here():
    with (
        pytest.raises(OSError, match="CPU 1000000"),
        watching("getpid", 1_000_000) as watch,
    ):
        watch.close_span()


@several
def test_stall_belongs_to_its_span_only():
    """The whole process is stopped for a while: that is a gap that its clock does see."""
    child = start_python(f"""
import sys
from ebpf_overhead.workload.watch import watching
with watching("getpid", {CPUS[-1]}) as watch:
    watch.close_span()
    print("ready", flush=True)
    sys.stdin.readline()
    print(watch.close_span())
    print(min(watch.close_span() for _ in range(50)))
""")
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    time.sleep(STALL_S)
    child.send_signal(signal.SIGCONT)
    stalled_ns, after_ns = map(int, child.communicate("\n", timeout=30)[0].split())
    assert stalled_ns > STALL_S * 1e9 * 0.9
    assert after_ns < stalled_ns / 100


def test_stop_before_the_first_call_makes_no_call():
    words = memoryview(bytearray(40)).cast("Q")
    words[0], words[1] = 1, 1
    _workload.watch("getpid", words, CPUS[0])
    assert list(words) == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("workload", "words", "cpu", "error", "message"),
    [
        ("nothing", bytearray(40), CPUS[0], ValueError, "workload is unknown: 'nothing'"),
        ("getpid", bytearray(39), CPUS[0], ValueError, "words has 39 bytes, 40 are needed"),
        ("getpid", bytearray(40), -1, ValueError, "cpu"),
        ("getpid", b"0" * 40, CPUS[0], TypeError, "read-write"),
        ("getpid", bytearray(40), 1_000_000, OSError, "sched_setaffinity"),
    ],
)
def test_wrong_arguments(workload, words, cpu, error, message):
    with pytest.raises(error, match=message):
        _workload.watch(workload, words, cpu)
