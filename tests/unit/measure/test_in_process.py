"""Measuring in a process of its own: its record, its reason, its end."""

from __future__ import annotations

import json
import time

import pytest

from ebpf_overhead.errors import ExitStatus, FailedError
from ebpf_overhead.measure.in_process import MeasuringProcess, record_of

RECORD = {"cases": []}
_PRINTS = f"print({json.dumps(json.dumps(RECORD))})"
_WAITS = f"""
import sys, time
try:
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    {_PRINTS}
    sys.exit({int(ExitStatus.INTERRUPTED)})
"""


def process(code: str) -> MeasuringProcess:
    return MeasuringProcess(["-c", code], "process 1 of 2")


def test_record_that_it_prints():
    with process(_PRINTS) as measuring:
        assert measuring.record() == RECORD


def test_reason_why_there_is_none():
    code = "import sys; print('no memory', file=sys.stderr); sys.exit(4)"
    with process(code) as measuring, pytest.raises(FailedError, match="in process 1 of 2: no mem"):
        measuring.record()


@pytest.mark.parametrize(
    ("status", "stdout", "error", "words"),
    [
        (-9, "", FailedError, "the process ended by SIGKILL"),
        (137, "", FailedError, "the process ended by SIGKILL"),
        (2, "{}", FailedError, "exit status 2"),
        (0, "", FailedError, "exit status 0"),
        (ExitStatus.INTERRUPTED, "", KeyboardInterrupt, None),
    ],
)
def test_ends_without_a_record(status, stdout, error, words):
    with pytest.raises(error, match=words):
        record_of(int(status), stdout, "", "the guest")


def test_another_process_would_wait_for_the_lock_that_is_held_here(monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_LOCK", "/sys/kernel")
    code = "import json, os; print(json.dumps({'lock': os.environ['EBPF_OVERHEAD_LOCK']}))"
    with process(code) as measuring:
        assert measuring.record() == {"lock": ""}


def test_last_words_are_what_is_finished():
    with process(_WAITS) as measuring:
        assert measuring._process.stderr is not None
        assert measuring._process.stderr.readline() == "ready\n"
        assert measuring.last_words() == RECORD


def test_one_that_has_nothing_to_say_has_no_last_words():
    with process("import time; time.sleep(60)") as measuring:
        time.sleep(0.05)
        assert measuring.last_words() is None


def test_closing_ends_it():
    with process("import time; time.sleep(60)") as measuring:
        pass
    assert measuring._process.returncode == -9
