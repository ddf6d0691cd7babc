"""Where the time goes: phases inside phases, and the age of the process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from processes import environment

from ebpf_overhead import phases


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    """A process that is five seconds old and has spent no phase yet; time is at our command."""
    clock = Clock()
    monkeypatch.setattr(phases, "_spent_s", {})
    monkeypatch.setattr(phases.time, "monotonic", lambda: clock.now_s)
    monkeypatch.setattr(phases, "process_age_s", lambda: clock.now_s - 995.0)
    return clock


def test_phases_add_up(clock):
    for _ in range(3):
        with phases.phase("sample"):
            clock.pass_s(2)
        clock.pass_s(1)
    assert phases.spent() == {"sample": 6, "other": 8, "total": 14}


def test_inner_phase_is_taken_out_of_the_outer(clock):
    with phases.phase("load"):
        clock.pass_s(1)
        with phases.phase("compile"):
            clock.pass_s(10)
            with phases.phase("start"):
                clock.pass_s(100)
        clock.pass_s(2)
    assert phases.spent() == {"start": 100, "compile": 10, "load": 3, "other": 5, "total": 118}


def test_exception_ends_a_phase(clock):
    def fail() -> None:
        clock.pass_s(4)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), phases.phase("attach"):
        fail()
    assert phases.spent()["attach"] == 4


def test_everything_before_the_mark_is_start(clock):
    phases.mark_started()
    clock.pass_s(3)
    assert phases.spent() == {"start": 5, "other": 3, "total": 8}


def test_other_is_never_negative(clock, monkeypatch):
    monkeypatch.setattr(phases, "_spent_s", {"sample": 99.0})
    assert phases.spent()["other"] == 0


def test_age_grows_with_the_process():
    first = phases.process_age_s()
    time.sleep(0.05)
    assert 0.03 < phases.process_age_s() - first < 60


def test_age_begins_with_the_process_and_not_with_the_import():
    code = "import time; time.sleep(0.3); from ebpf_overhead import phases; print({})"
    run = subprocess.run(
        [sys.executable, "-c", code.format("phases.process_age_s()")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert 0.25 < float(run.stdout) < 60
