"""A thread that does work on request, and that survives Ctrl-C at any moment.

Work is passed through queues with atomic operations.  The operations of `threading` and
`concurrent.futures` are not atomic: an exception of a signal handler can leave a lock that is
never released, and the thread would wait for it for ever.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class WorkerThread:
    """A thread that waits for work, and does one piece of work after another."""

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
        """Have it begin some work."""
        self._work.put(work)

    @property
    def done(self) -> bool:
        """Whether a result is ready that was not fetched yet."""
        return not self._outcomes.empty()

    def result(self) -> Any:
        """Wait until it has finished its work; return the result or raise the error."""
        result, error = self._outcomes.get()
        if error is not None:
            raise error
        return result

    def do(self, work: Callable[[], _T]) -> _T:
        """Have it do some work; return the result or raise the error."""
        self.begin(work)
        value: _T = self.result()
        return value

    def end(self) -> None:
        """Have the thread end when it has finished its current work."""
        self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._outcomes.put((work(), None))
            except BaseException as error:  # result() raises it
                self._outcomes.put((None, error))
