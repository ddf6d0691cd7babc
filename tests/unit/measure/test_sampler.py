"""Blocks of windows: those in which another task had the CPU."""

from __future__ import annotations

import random

import pytest

from ebpf_overhead.measure import sampler as module
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import HalfBlock
from ebpf_overhead.workload.calling_threads import CallingThreads


@pytest.fixture
def block(monkeypatch):
    """Return a function that measures a block whose windows take and are marked as it says."""

    def measure(taken, marks):
        def run(workload, calls, windows, cpu, preempted):
            # The first window warms up.
            preempted[1:] = bytes(marks)
            return [0] + [each * calls for each in taken], calls * windows

        monkeypatch.setattr(module._workload, "run", run)
        sampler = Sampler("getpid", lambda on: None, cpu=0, half_block=HalfBlock(100, len(taken)))
        with CallingThreads(random.Random(), wanted=False) as threads:
            sampler.block(threads)
        return sampler

    return measure


def test_windows_of_others_are_left_out_but_kept(block):
    measured = block([10, 500, 11, 12], [0, 1, 0, 0])
    for attached in (False, True):
        assert measured.half(attached, 0) == [10, 11, 12]
    assert measured.samples.baseline == (10, 500, 11, 12)
    assert measured.preempted == 2


def test_few_windows_of_its_own_do_not_stand_for_all(block):
    measured = block([10, 500, 11, 12, 13, 14, 15, 16, 17], [1] * 8 + [0])
    assert len(measured.half(True, 0)) == 9
    assert measured.preempted == 16


def test_calls_that_somebody_else_makes_are_not_looked_at():
    def run(workload, calls, windows, cpu):
        return [100 * calls] * windows, calls * windows

    sampler = Sampler("getpid", lambda on: None, cpu=0, half_block=HalfBlock(100, 16), run=run)
    assert not sampler.tells_preempted
