"""Threads that take turns at calling.

Two threads of a process do not pay the same for a probe, for as long as they live: their
kernel stacks and task structures lie elsewhere in memory.  What calls cost in general is what
they cost in many threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import RefusedError
from ebpf_overhead.worker_thread import WorkerThread

_THREADS = 64

_T = TypeVar("_T")


class CallingThreads(Closing):
    """A number of threads that wait; as a context manager they end on the way out.

    Parameters
    ----------
    lot : random.Random
        Draws the order in which they take turns: all of them before one has another.
    wanted : bool
        Whether there are any; else it is always the turn of the thread that asks.

    Raises
    ------
    RefusedError
        So many threads are not allowed here.
    """

    def __init__(self, lot: random.Random, wanted: bool = True) -> None:
        self._lot = lot
        self._threads: list[WorkerThread] = []
        self._to_come: list[WorkerThread] = []
        if wanted:
            try:
                self._start()
            except BaseException:
                self.close()
                raise

    def _start(self) -> None:
        # A kernel stack is given to the next thread that comes: all have to be there at once.
        for number in range(_THREADS):
            worker = WorkerThread()
            self._threads.append(worker)
            try:
                worker.start()
            except RuntimeError as error:
                raise RefusedError(
                    f"no more than {number} of {_THREADS} threads can be started: {error}",
                    "raise the limit on processes (ulimit -u, or pids.max of the control group)",
                ) from error

    def turn(self) -> Callable[[Callable[[], _T]], _T]:
        """Choose a thread; return what has it do something, and waits for the result."""
        if not self._threads:
            return lambda work: work()
        if not self._to_come:
            self._to_come = self._lot.sample(self._threads, _THREADS)
        return self._to_come.pop().do

    def close(self) -> None:
        """Have the threads end, as soon as they have done what they are at."""
        for worker in self._threads:
            worker.end()

    def __del__(self) -> None:
        """Do so, too, if an interruption came just before the block began."""
        self.close()
