"""What is called and counted while a tool runs, with made-up calls."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from pictures import program

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.measure.sampling import HalfBlock
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.impact import counting, segments
from ebpf_overhead.tools.impact.counting import Ran, count_runs
from ebpf_overhead.workload.workloads import WORKLOADS

NAMES = ("getpid", "read", "exec", "tcp_request")
HALVES = {"getpid": HalfBlock(6, 16), "read": HalfBlock(4, 16), "tcp_request": HalfBlock(50, 1)}


class Kernel:
    """Two programs: 1 runs three times in each call of getpid, 2 when others run it."""

    def __init__(self):
        self.runs = {1: 0, 2: 0}
        self.random = random.Random(1)

    def run(self, name, calls, windows=1, cpu=None):
        assert cpu == 1
        if windows > 1:
            return [5_000_000, 2_000_000, 100_000], calls * windows  # the first are disturbed
        elapsed_ns = calls * (1_000 if name in NAMES else 10)
        if name in NAMES:
            self.runs[1] += 3 * calls + 10 if name == "getpid" else 10  # 10 while it prepares
        self.runs[2] += elapsed_ns // 100 + self.random.randrange(100)
        return [elapsed_ns], calls

    def program(self, number):
        runs = self.runs.get(number)
        return None if runs is None else program(number, runs, 100 * runs)


def test_runs_per_call_are_those_of_the_calls(monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(counting, "_workload", SimpleNamespace(run=kernel.run))
    monkeypatch.setattr(counting, "program", kernel.program)
    found = count_runs({1, 2, 3}, dict.fromkeys(NAMES, 100), 1)
    assert found == {1: [Ran("getpid", Interval(3.0, 3.0, 3.0, 0.99), 100.0)], 2: [], 3: []}


@pytest.fixture
def called(monkeypatch):
    """Every call of a workload that is made: its name, calls, and windows."""
    made = []
    long_ones = iter([100, 200, 900])

    def require(workload):
        if workload.name == "exec":
            raise UnsupportedError("exec cannot be called")

    def run(name, calls, windows, cpu):
        made.append((name, calls, windows))
        if windows == 1:
            return [next(long_ones) * calls], calls
        return [1_000 * calls, 100 * calls, 200 * calls], calls * windows

    monkeypatch.setattr(segments, "require", require)
    monkeypatch.setattr(segments, "long_half_block_of", lambda name, cpu: HALVES[name])
    monkeypatch.setattr(segments, "_workload", SimpleNamespace(run=run))
    return made


def test_segment_is_the_median_of_windows_long_ones_without_warming_up(called):
    windows = segments.WorkloadTurns([WORKLOADS[name] for name in NAMES], 1, random.Random(1))
    assert windows.calls == {"getpid": 6, "read": 4, "tcp_request": 50}
    assert list(windows.unsupported) == ["exec"]
    between = []
    found = windows.segment(0.0, lambda work: work(), lambda: between.append(1))
    assert found.per_call == {"getpid": 150.0, "read": 150.0, "tcp_request": 200.0}
    assert len(called) == len(between) == 9
    turns = [set(called[start : start + 3]) for start in range(0, 9, 3)]
    assert turns == [{("getpid", 6, 3), ("read", 4, 3), ("tcp_request", 50, 1)}] * 3


def test_default_workloads_are_workloads():
    assert all(WORKLOADS[name].syscall for name in segments.DEFAULT)
