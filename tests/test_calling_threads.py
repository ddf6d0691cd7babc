"""Threads that take turns: all there at once, drawn by lot, gone in the end."""

from __future__ import annotations

import _thread
import random
import signal
import threading

import pytest
from threads import assert_no_thread_is_left, threads

from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.errors import RefusedError


def turns(seed: int, number: int = 400) -> list[int]:
    with CallingThreads(random.Random(seed)) as calling:
        first = threading.get_native_id()
        seen = [calling.turn()(threading.get_native_id) for _ in range(number)]
        assert first not in seen
    order = list(dict.fromkeys(seen))
    return [order.index(each) for each in seen]


def test_lot_decides_whose_turn_it_is_and_all_have_one_before_one_has_another():
    seen = turns(1)
    assert sorted(seen[:64]) == sorted(seen[64:128]) == list(range(64))
    assert seen[:64] != seen[64:128]
    assert turns(1) == seen != turns(2)


def test_thread_stays_the_same_for_one_turn():
    with CallingThreads(random.Random(1)) as calling:
        do = calling.turn()
        assert len({do(threading.get_native_id) for _ in range(20)}) == 1


def test_threads_have_ended_when_the_block_has():
    before = threads()
    with CallingThreads(random.Random(1)):
        assert len(threads() - before) == 64
    assert_no_thread_is_left(before)


def interrupt(signum: int, frame: object) -> None:
    raise InterruptedError


def take_turns_until_interrupted(after_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, after_s)
    with CallingThreads(random.Random(1)) as calling:
        while True:
            calling.turn()(threading.get_native_id)


def test_threads_end_at_whatever_moment_the_block_is_interrupted():
    before = threads()
    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(300):
            # The first of these falls into the start of the threads, the last into their work.
            with pytest.raises(InterruptedError):
                take_turns_until_interrupted(3e-4 + 3e-5 * number)
    finally:
        signal.signal(signal.SIGALRM, earlier)
    assert_no_thread_is_left(before)


def test_none_wanted_is_always_this_threads_turn():
    with CallingThreads(random.Random(1), wanted=False) as calling:
        assert calling.turn()(threading.get_native_id) == threading.get_native_id()


def test_what_goes_wrong_there_is_raised_here():
    with CallingThreads(random.Random(1)) as calling, pytest.raises(ZeroDivisionError):
        calling.turn()(lambda: 1 / 0)


def test_limit_on_threads_is_told_and_those_that_began_have_ended(monkeypatch):
    before, start, begun = threads(), _thread.start_new_thread, []

    def limited(function, arguments):
        if len(begun) == 5:
            raise RuntimeError("can't start new thread")
        begun.append(start(function, arguments))

    monkeypatch.setattr(_thread, "start_new_thread", limited)
    with pytest.raises(RefusedError, match="no more than 5 of 64 threads can be started: can't"):
        CallingThreads(random.Random(1))
    assert_no_thread_is_left(before)
