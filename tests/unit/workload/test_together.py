"""The timed loops on several CPUs at once: pinned, started together, leaving nothing behind."""

from __future__ import annotations

import errno
import gc
import os
import signal
import statistics
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from threads import assert_no_thread_is_left, threads

from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import WORKLOADS

CPUS = sorted(os.sched_getaffinity(0))
NO_SUCH_CPU = 1_000_000
several = pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")


class InterruptionError(Exception):
    pass


@contextmanager
def signal_after(delay_s, handler):
    """Once: a handler that raises must not be called on the way out."""
    earlier = signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, delay_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


def interrupt(signum, frame):
    raise InterruptionError


@pytest.mark.parametrize("workload", _workload.WORKLOADS)
def test_every_window_of_every_cpu_is_returned(workload):
    few = WORKLOADS[workload].checked_calls // 10 if workload in WORKLOADS else 300
    elapsed_ns, start_ns, calls = _workload.run_together(workload, few, 5, CPUS, keep_busy=False)
    assert [len(windows) for windows in elapsed_ns] == [5] * len(CPUS)
    assert all(type(each) is int and each > 0 for windows in elapsed_ns for each in windows)
    assert all(windows == sorted(windows) for windows in start_ns)
    assert calls == few * 5 * len(CPUS)


@pytest.mark.usefixtures("may_execute")
def test_programs_are_executed_while_other_threads_write_theirs():
    """A child has a copy of every descriptor until it executes a program, those of writers too."""
    run = partial(_workload.run, "exec", 1, windows=100)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(run, cpu=cpu) for cpu in (CPUS * 8)[:8]]
    assert all(len(each.result()[0]) == 100 for each in asked)


@several
def test_untimed_calls_of_finished_cpus_are_counted():
    _, _, calls = _workload.run_together("getpid", 300, 200, CPUS)
    assert calls >= 300 * 200 * len(CPUS)
    assert calls % 100 == 0


def test_single_cpu_makes_no_untimed_calls():
    assert _workload.run_together("getpid", 300, 5, CPUS[-1:])[2] == 1500


@several
def test_windows_begin_together():
    """So close that nearly all of a window is measured with the others at work.

    Where other processes take the CPUs in turns, that is not every window.
    """
    elapsed_ns, start_ns, _ = _workload.run_together("getpid", 3_000, 100, CPUS)
    apart = [max(each) - min(each) for each in zip(*start_ns, strict=True)]
    shortest = min(min(windows) for windows in elapsed_ns)
    assert statistics.quantiles(apart, n=10)[0] < shortest / 10


def test_each_thread_is_pinned_to_its_cpu_and_the_caller_is_not():
    before, allowed = threads(), os.sched_getaffinity(0)
    seen = set()

    def look() -> None:
        while not done.is_set():
            for thread in threads() - before - {str(threading.get_native_id())}:
                with suppress(ProcessLookupError):
                    seen.add(frozenset(os.sched_getaffinity(int(thread))))

    done = threading.Event()
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        _workload.run_together("getpid", 5_000, 300, CPUS)
        assert os.sched_getaffinity(0) == allowed
    finally:
        done.set()
        watcher.join()
    # A thread that was just made may be seen before it is pinned.
    assert seen - {frozenset(allowed)} == {frozenset({cpu}) for cpu in CPUS} - {frozenset(allowed)}
    assert_no_thread_is_left(before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("fork", 1, 1, CPUS), ValueError, "workload is unknown: 'fork'"),
        (("getpid", 0, 1, CPUS), ValueError, "calls is out of range: 0"),
        (("getpid", 1, 0, CPUS), ValueError, "windows is out of range: 0"),
        (("getpid", 1, 1, []), ValueError, "cpus is empty"),
        (("getpid", 1, 1, [0, 0]), ValueError, "cpus has CPU 0 twice"),
        (("getpid", 1, 1, [-1]), ValueError, "cpu is out of range: -1"),
        (("getpid", 1, 1, [0.5]), TypeError, "float"),
        (("getpid", 1, 1, 0), TypeError, "cpus must be a sequence"),
        (("getpid", 1, 1), TypeError, "cpus"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        _workload.run_together(*arguments)


@pytest.mark.parametrize("cpus", [[NO_SUCH_CPU], [CPUS[0], NO_SUCH_CPU]])
def test_impossible_cpu_is_named_and_ends_the_other_threads(cpus):
    before = threads()
    words = f"sched_setaffinity on CPU {NO_SUCH_CPU}: Invalid argument"
    with pytest.raises(OSError, match=words) as caught:
        _workload.run_together("getpid", 1_000, 1_000_000, cpus)
    assert caught.value.errno == errno.EINVAL
    assert_no_thread_is_left(before)


def test_exception_of_a_signal_handler_ends_all_threads():
    before = threads()
    with signal_after(0.02, interrupt), pytest.raises(InterruptionError):
        _workload.run_together("getpid", 1_000, 1_000_000, CPUS)  # minutes
    assert_no_thread_is_left(before)


def test_handlers_run_while_the_others_work():
    handled = []
    with signal_after(0.02, lambda *arguments: handled.append(threading.get_ident())):
        _workload.run_together("getpid", 1_000, 1_000, CPUS)
    assert handled == [threading.get_ident()]


def test_nothing_is_left_behind():
    def use():
        _workload.run_together("getpid", 10, 100, CPUS)
        for cpus in ([], [NO_SUCH_CPU]):
            with suppress(ValueError, OSError):
                _workload.run_together("getpid", 10, 100, cpus)
        with signal_after(0.001, interrupt), suppress(InterruptionError):
            _workload.run_together("getpid", 1_000, 100_000, CPUS)

    for _ in range(5):
        use()
    before = threads()
    tracemalloc.start()
    try:
        gc.collect()
        blocks, traced = sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            use()
        gc.collect()
        traced_growth = tracemalloc.get_traced_memory()[0] - traced
        blocks_growth = sys.getallocatedblocks() - blocks
    finally:
        tracemalloc.stop()
    # One allocation leaked by each would be more.
    assert blocks_growth < 50
    assert traced_growth < 3200
    assert_no_thread_is_left(before)
