"""Waiting while a tracer counts: until a time, a signal, or the end of a process."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from types import FrameType

from ebpf_overhead.closing import Closing

# Ctrl-C, and what service managers and timeout(1) send.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Watch(Closing):
    """What ends a trace; inside it as a context manager, a signal can end only the trace.

    Parameters
    ----------
    duration_s : float or None
        The longest time to trace; None for no limit.
    pid : int or None
        Process whose end ends the trace.
    takes_signals : bool, optional
        Whether a signal ends the trace; otherwise it does what it does everywhere.

    Attributes
    ----------
    ended_by : str
        ``time``, ``interrupt`` or ``exit`` (of the process), once it has ended.
    """

    def __init__(
        self, duration_s: float | None, pid: int | None = None, *, takes_signals: bool = True
    ) -> None:
        self._duration_s = duration_s
        self._pid = pid
        self._taken = _SIGNALS if takes_signals else ()
        self.ended_by = "time"

    def __enter__(self) -> Watch:
        self._fds = list(os.pipe())
        os.set_blocking(self._fds[1], False)
        self._poll = select.poll()
        self._poll.register(self._fds[0], select.POLLIN)
        self._process_fd = _process_fd(self._pid)
        if self._process_fd is not None:
            self._fds.append(self._process_fd)
            self._poll.register(self._process_fd, select.POLLIN)
        self._handlers = {each: signal.signal(each, self._interrupted) for each in self._taken}
        return self

    def close(self) -> None:
        """Let signals do again what they did."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for fd in self._fds:
            os.close(fd)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        os.write(self._fds[1], b"!")

    def ticks(self, step_s: float | None) -> Iterator[float]:
        """Yield the seconds since the start, every ``step_s`` and at the end.

        Parameters
        ----------
        step_s : float or None
            Time between ticks; None for only the last tick.
        """
        start = time.monotonic()
        end = None if self._duration_s is None else start + self._duration_s
        tick = 0
        while True:
            tick += 1
            until = None if step_s is None else start + tick * step_s
            last = end is not None and (until is None or until >= end)
            reason = self._wait(end if last else until)
            if reason is not None:
                last, self.ended_by = True, reason
            yield time.monotonic() - start
            if last:
                return

    def _wait(self, until: float | None) -> str | None:
        """Wait; return what ended the trace, or None at the given time."""
        while True:
            left_s = 3600.0 if until is None else until - time.monotonic()
            if left_s <= 0:
                return None
            ready = self._poll.poll(min(left_s, 3600.0) * 1000)
            if ready:
                return "exit" if ready[0][0] == self._process_fd else "interrupt"


def _process_fd(pid: int | None) -> int | None:
    """Return a descriptor that is readable when a process has ended (Linux 5.3)."""
    if pid is None:
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:  # already gone: a closed pipe is readable, too
        fd, other = os.pipe()
        os.close(other)
        return fd
