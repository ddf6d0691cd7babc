"""Threads that take turns calling.

Two threads of a process pay different costs for a probe as long as they live, because their
kernel stacks and task structures lie at different addresses.  Calls from many threads give the
cost in general.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import RefusedError
from ebpf_overhead.workload.worker_thread import WorkerThread

_THREADS = 64

_T = TypeVar("_T")


class CallingThreads(Closing):
    """Threads that wait for work; as a context manager, it ends them.

    Parameters
    ----------
    generator : random.Random
        Chooses the random order of turns.  All threads have a turn before one has another.
    wanted : bool
        Whether there are threads; without them, every turn is that of the calling thread.

    Raises
    ------
    RefusedError
        The limit on threads is too low.
    """

    def __init__(self, generator: random.Random, wanted: bool = True) -> None:
        self._generator = generator
        self._threads: list[WorkerThread] = []
        self._to_come: list[WorkerThread] = []
        if wanted:
            try:
                self._start()
            except BaseException:
                self.close()
                raise

    def _start(self) -> None:
        # The kernel gives the stack of an ended thread to the next one.  So all exist at once.
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
        """Choose a thread; return a function that has it do work and returns the result."""
        if not self._threads:
            return lambda work: work()
        if not self._to_come:
            self._to_come = self._generator.sample(self._threads, _THREADS)
        return self._to_come.pop().do

    def close(self) -> None:
        """Have the threads end when they have finished their current work."""
        for worker in self._threads:
            worker.end()

    def __del__(self) -> None:
        """End them also if an interruption came just before the block began."""
        self.close()
