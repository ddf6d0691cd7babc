"""Watching a target from another CPU: the longest gap between two of its calls."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ebpf_overhead import _workload
from ebpf_overhead.errors import FailedError

# Of the five words that both threads share, see _workload.watch().
_STOP, _SPAN, _CLOSED, _LONGEST_NS, _WORDS = 0, 1, 2, 3, 5
_PATIENCE_S = 30


class _Caller(threading.Thread):
    """Calls a target until it is told to stop; keeps the error that ended it before.

    It is asked for the error all the time, so asking takes no lock: an interruption then
    would leave it locked, as it does a future's, which cannot end any more.
    """

    def __init__(self, target: str, words: memoryview, cpu: int) -> None:
        super().__init__(name="watch")
        self.error: Exception | None = None
        self._arguments = target, words, cpu

    def run(self) -> None:
        """Call."""
        try:
            _workload.watch(*self._arguments)
        except Exception as error:
            self.error = error


class Watch:
    """A thread of this process that calls a target on a CPU of its own, again and again."""

    def __init__(self, words: memoryview, caller: _Caller) -> None:
        self._words = words
        self._caller = caller
        self.close_span()  # it calls from here on

    def close_span(self) -> int:
        """Return the longest gap since the last span was closed, in ns, and begin a new one.

        A gap that is not over yet is waited for, and counts.

        Raises
        ------
        OverheadError
            The thread has ended, or does not get its CPU.
        """
        span = self._words[_SPAN] + 1
        self._words[_SPAN] = span
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._words[_CLOSED] != span:
            if self._caller.error is not None:
                raise self._caller.error
            if time.monotonic() > deadline_s:
                raise FailedError(
                    f"the thread that calls made no call for {_PATIENCE_S} s",
                    "leave it a CPU",
                )
        return self._words[_LONGEST_NS]


@contextmanager
def watching(target: str, cpu: int) -> Iterator[Watch]:
    """Have a target called while the block runs, on a CPU that this thread keeps off.

    Parameters
    ----------
    target : str
        Name of the target.
    cpu : int
        Where it is called.
    """
    words = memoryview(bytearray(8 * _WORDS)).cast("Q")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed - {cpu})
    caller = _Caller(target, words, cpu)
    try:
        try:
            caller.start()
            yield Watch(words, caller)
        finally:
            words[_STOP] = 1
            if caller.ident is not None:
                caller.join()
    finally:
        os.sched_setaffinity(0, allowed)
