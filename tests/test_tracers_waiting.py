"""What ends a trace: time, Ctrl-C, the end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from ebpf_overhead.tracers.waiting import Watch


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


def test_interrupt_ends_the_trace_and_not_the_program():
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


def test_process_that_is_gone_already_is_an_end_too():
    process = subprocess.Popen(["true"])
    process.wait()
    with Watch(60, process.pid) as watch:
        assert len(list(watch.ticks(1.0))) == 1
        assert watch.ended_by == "exit"
    assert process.pid != os.getpid()
