"""Measuring what the kernel's statistics leave out of a run, and what they cost.

Programs on tracepoints are measured beside one that is attached already, so that the slow
path of system calls, which the first one switches on for all of them, is not part of it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from ebpf_overhead import _workload, bpf, clock
from ebpf_overhead.attach import Probe, load
from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.cases import Case, select
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.measure import Measurement, Options, measure_cases
from ebpf_overhead.paired import paired_difference
from ebpf_overhead.sampling import calibrate, choose_cpu
from ebpf_overhead.stats import Interval, interval

_TIME_S = 1.5
# Half blocks of windows by which the reported time is known.
_HALVES = 20


def measure_statistics() -> Interval:
    """Return what the statistics add to a run, by a function that nobody else has hooked."""
    case = select(["uprobe"], ["empty"])[0]
    held: list[int] = []

    def switch(on: bool) -> None:
        if on:
            held.append(bpf.enable_stats())
        else:
            os.close(held.pop())

    with load(case) as probe:
        probe.attach()
        return paired_difference(case.target.name, switch, _TIME_S)


def measure_slow_path() -> Interval:
    """Return what a system call pays for being traced, whatever the program."""
    (case,) = select(["raw_tracepoint"], ["empty"])
    first = _measured(case, Options(time_s=_TIME_S)).overhead
    with _traced_system_calls():
        second = _measured(case, Options(time_s=_TIME_S)).overhead
    return first - second


def measure_left_out(case: Case) -> Interval:
    """Return what the statistics leave out of a run."""
    with _beside(case):
        whole = _measured(case, Options(time_s=_TIME_S)).overhead
        reported = _reported(case)
    return _a_run(whole, case.runs_per_call) - reported


def _reported(case: Case) -> Interval:
    """Return what the statistics say of a run, by medians of windows as the whole is."""
    cpu, medians = choose_cpu(), []
    with (
        bpf.counting_runs(),
        load(case) as probe,
        CallingThreads(random.Random(), clock.current().places_matter) as threads,
    ):
        probe.attach()
        calls = calibrate(case.target.name, cpu)
        for _ in range(_HALVES):
            probe.switch(True)
            medians.append(threads.turn()(partial(_half, probe, calls, cpu)))
    return interval(medians)


def _half(probe: Probe, calls: int, cpu: int) -> float:
    """Return the reported time of a run during half a block; the first window warms up."""
    windows = [_window(probe, calls, cpu) for _ in range(clock.current().windows_per_half + 1)]
    return float(np.median(windows[1:]))


def _window(probe: Probe, calls: int, cpu: int) -> float:
    """Return the reported time of a run during one window."""
    before = bpf.prog_info(probe.prog_fd)
    _workload.run(probe.case.target.name, calls, cpu=cpu)
    after = bpf.prog_info(probe.prog_fd)
    runs = after.run_count - before.run_count
    if runs < calls:
        raise FailedError(f"{probe.case.name} ran {runs} times in {calls} calls")
    return (after.run_time_ns - before.run_time_ns) / runs


def _measured(case: Case, options: Options) -> Measurement:
    (result,) = measure_cases([case], options)
    if result.measurement is None:
        raise OverheadError(result.reason or result.status, result.remedy or "")
    return result.measurement


@contextmanager
def _beside(case: Case) -> Iterator[None]:
    if case.attach.group != "tracepoints":
        yield
        return
    with _traced_system_calls():
        yield


@contextmanager
def _traced_system_calls() -> Iterator[None]:
    """Have system calls take the slow path, at the other end than is measured."""
    (case,) = select(["raw_tracepoint_exit"], ["empty"])
    with load(case) as probe:
        probe.attach()
        yield


def _a_run(overhead: Interval, runs: int) -> Interval:
    values = (overhead.estimate / runs, overhead.low / runs, overhead.high / runs)
    return Interval(*values, overhead.confidence)
