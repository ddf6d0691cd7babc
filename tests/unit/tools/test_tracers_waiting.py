"""What ends a trace: time, Ctrl-C, the end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from ebpf_overhead.tools.tracers.waiting import Watch


def test_ticks_until_the_time_is_up():
    with Watch(0.05) as watch:
        ticks = list(watch.ticks(0.02))
    assert len(ticks) == 3
    assert ticks == sorted(ticks)
    assert ticks[-1] >= 0.05


def test_one_tick_at_the_end():
    with Watch(0.02) as watch:
        assert len(list(watch.ticks(None))) == 1
    assert watch.ended_by == "time"


def test_interrupt_ends_only_the_trace():
    handler = signal.getsignal(signal.SIGINT)
    with Watch(None) as watch:
        os.kill(os.getpid(), signal.SIGINT)
        assert len(list(watch.ticks(None))) == 1
        assert watch.ended_by == "interrupt"
    assert signal.getsignal(signal.SIGINT) is handler


def test_end_of_the_process_ends_the_trace():
    with subprocess.Popen(["sleep", "0.1"]) as process, Watch(60, process.pid) as watch:
        start = time.monotonic()
        (last,) = watch.ticks(None)
        assert watch.ended_by == "exit"
        assert 0 <= last <= time.monotonic() - start


def test_process_that_is_already_gone_ends_the_trace():
    process = subprocess.Popen(["true"])
    process.wait()
    with Watch(60, process.pid) as watch:
        assert len(list(watch.ticks(1.0))) == 1
        assert watch.ended_by == "exit"
    assert process.pid != os.getpid()


def test_a_signal_ends_more_than_the_trace_if_that_is_wanted():
    before = signal.getsignal(signal.SIGINT)
    with Watch(60) as watch:
        assert signal.getsignal(signal.SIGINT) not in (None, before)
    with Watch(60, takes_signals=False) as watch:
        assert signal.getsignal(signal.SIGINT) is before
    assert watch.ended_by == "time"
