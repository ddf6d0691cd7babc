"""Threads that take turns: all there at once, drawn by lot, gone in the end."""

from __future__ import annotations

import random
import threading

import pytest

from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.errors import RefusedError


def turns(seed: int, number: int = 400) -> list[int]:
    with CallingThreads(random.Random(seed)) as threads:
        first = threading.get_native_id()
        seen = [threads.turn()(threading.get_native_id) for _ in range(number)]
        assert first not in seen
    order = list(dict.fromkeys(seen))
    return [order.index(each) for each in seen]


def test_lot_decides_whose_turn_it_is_and_all_have_one_before_one_has_another():
    seen = turns(1)
    assert sorted(seen[:64]) == sorted(seen[64:128]) == list(range(64))
    assert seen[:64] != seen[64:128]
    assert turns(1) == seen != turns(2)


def test_thread_stays_the_same_for_one_turn():
    with CallingThreads(random.Random(1)) as threads:
        do = threads.turn()
        assert len({do(threading.get_native_id) for _ in range(20)}) == 1


def test_threads_have_ended_when_the_block_has():
    before = threading.active_count()
    with CallingThreads(random.Random(1)):
        assert threading.active_count() == before + 64
    assert threading.active_count() == before


def test_none_wanted_is_always_this_threads_turn():
    with CallingThreads(random.Random(1), wanted=False) as threads:
        assert threads.turn()(threading.get_native_id) == threading.get_native_id()


def test_what_goes_wrong_there_is_raised_here():
    with CallingThreads(random.Random(1)) as threads, pytest.raises(ZeroDivisionError):
        threads.turn()(lambda: 1 / 0)


def test_limit_on_threads_is_told_and_those_that_began_have_ended(monkeypatch):
    before, start = threading.active_count(), threading.Thread.start

    def limited(thread):
        if threading.active_count() >= before + 5:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(RefusedError, match="no more than 5 of 64 threads can be started: can't"):
        CallingThreads(random.Random(1))
    assert threading.active_count() == before
