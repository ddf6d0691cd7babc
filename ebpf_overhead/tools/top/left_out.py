"""Measuring the dispatch that the kernel's statistics leave out, and the cost of statistics.

The first program on a tracepoint of system calls puts all system calls on the slow path.  That
cost is not part of dispatch.  So programs on tracepoints are measured with one already attached,
at the other end of system calls.

A program at the place of another one pays less: the way to both is gone once.  So dispatch is
measured where nobody else's program is (:mod:`ebpf_overhead.tools.top.free_place`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from ebpf_overhead.bpf import syscall
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.attach_types import ALL_CALLS, ALL_CALLS_EXIT, GROUPS
from ebpf_overhead.hooks.cases import Case, select
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.paired import paired_difference
from ebpf_overhead.measure.result import Measurement, Sampling
from ebpf_overhead.measure.run import measure_cases
from ebpf_overhead.measure.sampling import calibrate, choose_cpu
from ebpf_overhead.measure.stats import Interval, interval
from ebpf_overhead.tools.top.free_place import at_exit, place_of
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.calling_threads import CallingThreads

_TIME_S = 1.5
# Half blocks of windows for the reported time.
_HALVES = 20


def measure_statistics() -> Interval:
    """Return the cost of the statistics per run, measured on a function with no other hook."""
    case = select(GROUPS["uprobes"][:1], ["empty"])[0]
    held: list[int] = []

    def switch(on: bool) -> None:
        if on:
            held.append(syscall.enable_stats())
        while held and not on:
            os.close(held.pop())

    with load(case) as probe:
        probe.attach()
        return paired_difference(case.workload.name, switch, _TIME_S)


def measure_slow_path() -> Interval:
    """Return the cost per system call of being traced, without any program.

    Raises
    ------
    FailedError
        Something disturbed the measurement: it would be below zero.
    """
    (case,) = select([ALL_CALLS.name], ["empty"])
    first = _measured(case, Sampling(time_s=_TIME_S)).overhead
    with _traced_system_calls():
        second = _measured(case, Sampling(time_s=_TIME_S)).overhead
    found = first - second
    if found.high < 0:
        raise FailedError(f"the slow path of system calls cannot take {found}", "try again")
    return _not_below_zero(found)


def measure_left_out(case: Case) -> Interval:
    """Return the dispatch per run, which the statistics leave out.

    It is never below zero.  The difference may be: the reported time has one of the two readings
    of the clock in it, which takes longer than the way to a program on some virtual machines.
    """
    with _already_traced(case):
        whole = _measured(case, Sampling(time_s=_TIME_S)).overhead
        reported = _reported(case)
    return _not_below_zero(whole / case.runs_per_call - reported)


def _not_below_zero(found: Interval) -> Interval:
    low, estimate, high = (max(each, 0.0) for each in (found.low, found.estimate, found.high))
    return replace(found, low=low, estimate=estimate, high=high)


def _reported(case: Case) -> Interval:
    """Return the reported time per run, from medians of windows, as the overhead is."""
    cpu, medians = choose_cpu(), []
    with (
        syscall.counting_runs(),
        load(case) as probe,
        CallingThreads(random.Random(), clock.current().layout_sensitive) as threads,
    ):
        probe.attach()
        calls = calibrate(case.workload.name, cpu)
        for _ in range(_HALVES):
            probe.switch(True)
            medians.append(threads.turn()(partial(_half, probe, calls, cpu)))
    return interval(medians)


def _half(probe: Probe, calls: int, cpu: int) -> float:
    """Return the reported time per run in half a block; the first window warms up."""
    windows = [_window(probe, calls, cpu) for _ in range(clock.current().windows_per_half + 1)]
    return float(np.median(windows[1:]))


def _window(probe: Probe, calls: int, cpu: int) -> float:
    """Return the reported time per run in one window."""
    before = probe.program.info()
    _workload.run(probe.case.workload.name, calls, cpu=cpu)
    after = probe.program.info()
    runs = after.run_count - before.run_count
    if runs < calls:
        raise FailedError(f"{probe.case.name} ran {runs} times in {calls} calls")
    return (after.run_time_ns - before.run_time_ns) / runs


def _measured(case: Case, sampling: Sampling) -> Measurement:
    (result,) = measure_cases([case], sampling)
    if result.measurement is None:
        raise OverheadError(result.reason or result.status, result.remedy or "")
    return result.measurement


@contextmanager
def _already_traced(case: Case) -> Iterator[None]:
    if case.attach.group != "tracepoints":
        yield
        return
    with _traced_system_calls(ALL_CALLS if at_exit(place_of(case)) else ALL_CALLS_EXIT):
        yield


@contextmanager
def _traced_system_calls(end: AttachType = ALL_CALLS_EXIT) -> Iterator[None]:
    """Put system calls on the slow path, with a program at one end of them."""
    (case,) = select([end.name], ["empty"])
    with load(case) as probe:
        probe.attach()
        yield
