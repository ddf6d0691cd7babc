"""Measuring what the kernel's statistics leave out of a run, and what they cost.

Programs on tracepoints are measured beside one that is attached already, so that the slow
path of system calls, which the first one switches on for all of them, is not part of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ebpf_overhead import bpf
from ebpf_overhead.attach import load
from ebpf_overhead.cases import Case, select
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure import Measurement, Options, measure_cases
from ebpf_overhead.paired import paired_difference
from ebpf_overhead.stats import Interval, interval

_TIME_S = 1.5


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
    return difference(first, second)


def measure_left_out(case: Case) -> Interval:
    """Return what the statistics leave out of a run."""
    with _beside(case):
        whole = _measured(case, Options(time_s=_TIME_S)).overhead
        reported = _reported(case)
    return difference(_a_run(whole, case.runs_per_call), reported)


def _reported(case: Case) -> Interval:
    """Return what the statistics say of a run, from many short times as the whole is."""
    values: list[float] = []
    with load(case) as probe:
        before = bpf.prog_info(probe.prog_fd)

        def look() -> None:
            nonlocal before
            now = bpf.prog_info(probe.prog_fd)
            # Loaded anew, it begins at zero.
            last = before if before.prog_id == now.prog_id else bpf.ProgInfo(now.prog_id, 0, 0)
            if now.run_count > last.run_count:
                time_ns = now.run_time_ns - last.run_time_ns
                values.append(time_ns / (now.run_count - last.run_count))
            before = now

        def switch(on: bool) -> None:
            return probe.attach() if on else probe.detach()

        statistics = bpf.enable_stats()
        try:
            paired_difference(case.target.name, switch, _TIME_S, after_probed=look)
        finally:
            os.close(statistics)
    if not values:
        raise OverheadError("the kernel's statistics counted no run")
    return interval(values)


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


def difference(first: Interval, second: Interval) -> Interval:
    """Return one interval less another, with the bounds that both allow together."""
    return Interval(
        first.estimate - second.estimate,
        first.low - second.high,
        first.high - second.low,
        first.confidence,
    )
