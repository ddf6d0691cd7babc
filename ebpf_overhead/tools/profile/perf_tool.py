"""The tool perf: sampling the stacks of a thread or process by the software clock.

The software clock (``cpu-clock``) is a timer of the kernel.  It works without hardware counters,
as on most virtual machines, and in guests that count instructions.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ebpf_overhead.closing import DieWithParent
from ebpf_overhead.errors import (
    FailedError,
    MissingToolError,
    OverheadError,
    RefusedError,
    UnsupportedError,
)

_ANSWER_S = 60.0
_INSTALL = (
    "apt-get install linux-perf (Debian), linux-tools-generic (Ubuntu), dnf install perf (Fedora)"
)


def require() -> str:
    """Return the path of perf.

    Raises
    ------
    MissingToolError
        perf is not installed.
    """
    path = shutil.which("perf")
    if path is None:
        raise MissingToolError("perf not found, which takes the samples", _INSTALL)
    return path


class Recording:
    """perf, recording into a file, which can be switched on and off.

    Parameters
    ----------
    target : list of str
        Arguments of perf that say what to sample: ``["--tid", "123"]``.
    period : int
        Time between samples in ns (or instructions).
    data : Path
        File of perf.
    """

    def __init__(self, target: list[str], period: int, data: Path) -> None:
        self._target = target
        self._period = period
        self.data = data

    @contextmanager
    def running(self) -> Iterator[Recording]:
        """Run perf, switched off, while the block runs; afterwards its file is complete."""
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        command = [
            *(require(), "record", "--event", "cpu-clock", "--count", str(self._period)),
            *("--call-graph", "fp", "--delay=-1", "--control", f"fd:{orders},{answers}"),
            # Nothing is written to ~/.debug, because the programs still exist for the look-up.
            *("--no-buildid", "--no-buildid-cache", "--output", str(self.data), *self._target),
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(orders, answers),
            preexec_fn=DieWithParent(),
            start_new_session=True,  # Ctrl-C must not end perf before the sampling
        ) as self._perf:
            os.close(orders)
            os.close(answers)
            try:
                yield self
            finally:
                self._end()

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            self._perf.send_signal(signal.SIGINT)
        try:
            self._perf.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            self._perf.kill()
        os.close(self._orders)
        os.close(self._answers)

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Take samples while the block runs."""
        self._order("enable")
        try:
            yield
        finally:
            self._order("disable")

    def _order(self, word: str) -> None:
        try:
            os.write(self._orders, f"{word}\n".encode())
            answer = os.read(self._answers, 16)
        except BrokenPipeError:
            answer = b""
        if not answer:  # perf has ended
            assert self._perf.stderr is not None
            raise refusal(self._perf.stderr.read().decode(errors="replace"))


def refusal(message: str) -> OverheadError:
    """Return the error for perf's last message."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    told = [line for line in lines if line.lower() not in ("error:", "workload failed:")]
    said = told[0].rstrip(":. ") if told else "it ended without a message"
    if "perf_event_paranoid" in message or "Permission" in message or "permission" in message:
        return RefusedError(
            f"perf is refused: {said}",
            "run as root, with CAP_PERFMON, or with kernel.perf_event_paranoid = -1",
        )
    if "unknown option" in message or "control" in said:
        return UnsupportedError(f"this perf is too old: {said}", "perf 5.10 or newer is needed")
    return FailedError(f"perf record failed: {said}")


def script(data: Path) -> str:
    """Return the stacks of all samples as text, separated by empty lines.

    Raises
    ------
    FailedError
        perf cannot read its own file.
    """
    done = subprocess.run(
        # Inlined functions are not calls, and looking them up would take minutes.
        [require(), "script", "--input", str(data), "--fields", "ip,sym,dso", "--no-inline"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise FailedError(f"perf script failed: {last[-1]}")
    return done.stdout
