"""Whether a piece of code ends, however busy the machine is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

MOST_CPU_S = 5.0
# Waiting for something that never comes takes no processor time.
MOST_S = 60.0


class TooLongError(BaseException):
    """Not an Exception, so that no code under test takes it for one of its own."""


def _bark(number: int, frame: object) -> NoReturn:
    raise TooLongError(f"still running after {MOST_CPU_S:.0f} s of processor time, or {MOST_S:.0f}")


@contextmanager
def bounded() -> Iterator[None]:
    """Raise TooLongError in a block that takes too long."""
    timers = ((signal.ITIMER_VIRTUAL, MOST_CPU_S), (signal.ITIMER_REAL, MOST_S))
    before = [signal.signal(number, _bark) for number in (signal.SIGVTALRM, signal.SIGALRM)]
    try:
        for timer, seconds in timers:
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer, _ in timers:
            signal.setitimer(timer, 0)
        for number, handler in zip((signal.SIGVTALRM, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)
