"""A thread that does what it is told, and that Ctrl-C at any moment leaves as it should be.

Work is handed over through queues whose operations cannot be cut in two.  Those of `threading`
and `concurrent.futures` can: an exception of a signal handler in the wrong place leaves a lock
behind that is never free again, and the thread waits for it for ever.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class WorkerThread:
    """A thread that waits for work, and does one thing after the other."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        RuntimeError
            The system allows no more threads.
        """
        _thread.start_new_thread(self._serve, ())

    def begin(self, work: Callable[[], Any]) -> None:
        """Have it do something."""
        self._work.put(work)

    @property
    def done(self) -> bool:
        """Whether it has done something whose result was not asked for yet."""
        return not self._outcomes.empty()

    def result(self) -> Any:
        """Wait until it has done what it began, and return the result, or raise the error."""
        result, error = self._outcomes.get()
        if error is not None:
            raise error
        return result

    def do(self, work: Callable[[], _T]) -> _T:
        """Have it do something, and return the result, or raise the error."""
        self.begin(work)
        value: _T = self.result()
        return value

    def end(self) -> None:
        """Have the thread end, as soon as it has done what it is at."""
        self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._outcomes.put((work(), None))
            except BaseException as error:  # for the one who told it to raise
                self._outcomes.put((None, error))
