"""Threads that take turns: all exist at once, in random order, and all end."""

from __future__ import annotations

import _thread
import random
import signal
import threading

import pytest
from threads import assert_no_thread_is_left, threads

from ebpf_overhead.errors import RefusedError
from ebpf_overhead.workload.calling_threads import CallingThreads


def turns(seed: int, number: int = 400) -> list[int]:
    with CallingThreads(random.Random(seed)) as calling:
        first = threading.get_native_id()
        seen = [calling.turn()(threading.get_native_id) for _ in range(number)]
        assert first not in seen
    order = list(dict.fromkeys(seen))
    return [order.index(each) for each in seen]


def test_turns_are_in_random_order_and_all_have_one_before_one_has_another():
    seen = turns(1)
    assert sorted(seen[:64]) == sorted(seen[64:128]) == list(range(64))
    assert seen[:64] != seen[64:128]
    assert turns(1) == seen != turns(2)


def test_thread_stays_the_same_for_one_turn():
    with CallingThreads(random.Random(1)) as calling:
        do = calling.turn()
        assert len({do(threading.get_native_id) for _ in range(20)}) == 1


def test_threads_end_with_the_block():
    before = threads()
    with CallingThreads(random.Random(1)):
        assert len(threads() - before) == 64
    assert_no_thread_is_left(before)


def interrupt(signum: int, frame: object) -> None:
    raise InterruptedError


def take_turns_until_interrupted(after_s: float) -> None:
    # Again after a second: an error that is raised in a finalizer is ignored.
    signal.setitimer(signal.ITIMER_REAL, after_s, 1.0)
    with CallingThreads(random.Random(1)) as calling:
        while True:
            calling.turn()(threading.get_native_id)


def test_threads_end_whenever_the_block_is_interrupted():
    before = threads()
    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(300):
            # The first of these falls into the start of the threads, the last into their work.
            with pytest.raises(InterruptedError):
                take_turns_until_interrupted(3e-4 + 3e-5 * number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert_no_thread_is_left(before)


def test_without_threads_every_turn_is_that_of_this_thread():
    with CallingThreads(random.Random(1), wanted=False) as calling:
        assert calling.turn()(threading.get_native_id) == threading.get_native_id()


def test_error_of_a_thread_is_raised_here():
    with CallingThreads(random.Random(1)) as calling, pytest.raises(ZeroDivisionError):
        calling.turn()(lambda: 1 / 0)


def test_limit_on_threads_is_reported_and_started_threads_end(monkeypatch):
    before, start, begun = threads(), _thread.start_new_thread, []

    def limited(function, arguments):
        if len(begun) == 5:
            raise RuntimeError("can't start new thread")
        begun.append(start(function, arguments))

    monkeypatch.setattr(_thread, "start_new_thread", limited)
    with pytest.raises(RefusedError, match="no more than 5 of 64 threads can be started: can't"):
        CallingThreads(random.Random(1))
    assert_no_thread_is_left(before)
