"""The clock of measurements, and the counter that replaces it."""

from __future__ import annotations

import errno
import os

import pytest

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.workload import _workload, clock

SOFTWARE, TASK_CLOCK, DUMMY = 1, 1, 9  # enum perf_sw_ids


@pytest.fixture
def software(monkeypatch):
    """Let an event that every kernel has count in the place of instructions."""

    def choose(config):
        try:
            os.close(perf_event.counter(SOFTWARE, config))
        except PermissionError:
            pytest.skip("perf events are refused to this user")
        monkeypatch.setattr(
            perf_event, "instructions", lambda: perf_event.counter(SOFTWARE, config)
        )

    return choose


def test_windows_are_read_from_the_counter(software):
    software(DUMMY)
    with clock.counting() as counter:
        assert clock.current() is counter
        assert _workload.run("getpid", 100, windows=3, **counter.source) == ([0, 0, 0], 300)
    assert clock.current() is clock.WALL
    with pytest.raises(OSError) as caught:
        os.fstat(counter.counter)
    assert caught.value.errno == errno.EBADF


def test_counter_counts_what_the_window_does(software):
    software(TASK_CLOCK)
    with clock.counting() as counter:
        few, many = (
            min(_workload.run("getpid", calls, windows=9, **counter.source)[0])
            for calls in (1_000, 20_000)
        )
    assert many > 5 * few > 0


def test_counter_that_stopped_counting_is_an_error():
    with open(os.devnull, "rb") as null, pytest.raises(OSError, match="read: ") as caught:
        _workload.run("getpid", 1, counter=null.fileno())
    assert caught.value.errno == errno.ENODATA


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOENT, UnsupportedError, "no hardware instruction counter: ENOENT from perf_event"),
        (errno.EACCES, RefusedError, "refused: EACCES from perf_event_open; run as root"),
    ],
)
def test_missing_counter_is_reported_with_the_reason_of_the_kernel(
    monkeypatch, number, kind, words
):
    def fail():
        raise OSError(number, "perf_event_open")

    monkeypatch.setattr(perf_event, "instructions", fail)
    with pytest.raises(kind, match=words), clock.counting():
        pass
    assert clock.current() is clock.WALL
