"""Watching a workload from another CPU: the longest gap between two of its calls."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ebpf_overhead.errors import FailedError
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.affinity import on_cpus
from ebpf_overhead.workload.worker_thread import WorkerThread

# Indexes of the five words that both threads share: see _workload.watch().
_STOP, _SPAN, _CLOSED, _LONGEST_NS, _WORDS = 0, 1, 2, 3, 5
_PATIENCE_S = 30


class GapWatch:
    """A thread of this process that calls a workload continuously on its own CPU."""

    def __init__(self, words: memoryview, caller: WorkerThread) -> None:
        self._words = words
        self._caller = caller
        self.close_span()  # waits until it calls

    def close_span(self) -> int:
        """Return the longest gap of the current span in ns, and begin a new span.

        A gap that has not ended is waited for and counts.

        Raises
        ------
        OverheadError
            The thread has ended, or does not get its CPU.
        """
        span = self._words[_SPAN] + 1
        self._words[_SPAN] = span
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._words[_CLOSED] != span:
            if self._caller.done:
                self._caller.result()
            if time.monotonic() > deadline_s:
                raise FailedError(
                    f"the calling thread made no call for {_PATIENCE_S} s",
                    "leave a CPU free for it",
                )
        return self._words[_LONGEST_NS]


@contextmanager
def watching(workload: str, cpu: int) -> Iterator[GapWatch]:
    """Have a workload called while the block runs, on a CPU that this thread does not use.

    Parameters
    ----------
    workload : str
        Name of the workload.
    cpu : int
        The CPU on which it is called.
    """
    words = memoryview(bytearray(8 * _WORDS)).cast("Q")
    caller = WorkerThread()
    with on_cpus(os.sched_getaffinity(0) - {cpu}):
        try:
            caller.start()
            caller.begin(partial(_workload.watch, workload, words, cpu))
            yield GapWatch(words, caller)
        finally:
            words[_STOP] = 1
            caller.end()
