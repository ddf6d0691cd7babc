"""Threads that take turns at calling.

Two threads of a process do not pay the same for a probe: their kernel stacks and task
structures lie elsewhere in memory, for as long as they live, and the caches treat them
differently.  What calls cost in general is what they cost in many threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import RefusedError

_THREADS = 64

_T = TypeVar("_T")


class CallingThreads(Closing):
    """A number of threads that wait; as a context manager they have ended on the way out.

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
        self._threads = [ThreadPoolExecutor(1) for _ in range(_THREADS * wanted)]
        self._to_come: list[ThreadPoolExecutor] = []
        # A kernel stack is given to the next thread that comes: all have to be there at once.
        for number, thread in enumerate(self._threads):
            try:
                thread.submit(int).result()
            except RuntimeError as error:
                self.close()
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
        thread = self._to_come.pop()
        return lambda work: thread.submit(work).result()

    def close(self) -> None:
        """End the threads."""
        for thread in self._threads:
            thread.shutdown()
