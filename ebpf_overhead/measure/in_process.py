"""Measuring in a process of its own: this interpreter once more, or in a guest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ebpf_overhead.closing import Closing, DieWithParent
from ebpf_overhead.errors import ExitStatus, FailedError, OverheadError
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.reading import parse_json

_HAS_RECORD = {
    ExitStatus.MEASURED,
    ExitStatus.CASE_FAILED,
    ExitStatus.NOTHING_MEASURABLE,
    ExitStatus.INTERRUPTED,
}
# After Ctrl-C: what is finished is shown when the process has sent it; a second one does not wait.
LAST_WORDS_S = 5.0


def record_of(exit_status: int, stdout: str, stderr: str, where: str) -> dict[str, Any]:
    """Return the record that a process printed which measured.

    Parameters
    ----------
    exit_status : int
        How it ended.
    stdout, stderr : str
        What it printed.
    where : str
        Names it, in errors.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted before there was a record.
    FailedError
        It has no record, with its reason.
    """
    if exit_status == ExitStatus.INTERRUPTED and not stdout.strip():
        raise KeyboardInterrupt
    if exit_status not in _HAS_RECORD or not stdout.strip():
        reason = stderr.strip().splitlines() or [_how_it_ended(exit_status)]
        raise FailedError(f"measuring failed in {where}: {reason[-1]}")
    return parse_json(stdout.encode(), dict[str, Any], f"what {where} measured")


def _how_it_ended(status: int) -> str:
    """Return how a process ended that said nothing; a shell adds 128 to a signal's number."""
    if status < 0 or status > 128:
        return f"the process ended by {signal.Signals(abs(status) % 128).name}"
    return f"exit status {status}"


class MeasuringProcess(Closing):
    """A process that measures, beside nothing else; it ends with this one, or when it is closed.

    The caller holds the lock of this machine.

    Parameters
    ----------
    arguments : sequence of str
        Of the interpreter.
    where : str
        Names it, in errors.
    """

    def __init__(self, arguments: Sequence[str], where: str) -> None:
        self._where = where
        self._process = subprocess.Popen(
            [sys.executable, "-I", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, machine_lock.VARIABLE: ""},
            # Ctrl-C comes to this process, which passes it on.
            start_new_session=True,
            preexec_fn=DieWithParent(),
        )

    def record(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Return the record that it prints at its end; see `record_of`."""
        stdout, stderr = self._process.communicate(timeout=timeout_s)
        return record_of(self._process.returncode, stdout, stderr, self._where)

    def last_words(self) -> dict[str, Any] | None:
        """Interrupt it, and return the record of what is finished, if anything is."""
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, OverheadError, KeyboardInterrupt):
            return self.record(LAST_WORDS_S)
        return None

    def close(self) -> None:
        """End it; what it has attached goes with it."""
        self._process.kill()
        self._process.communicate()
