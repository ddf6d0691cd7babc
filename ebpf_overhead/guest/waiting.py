"""How long a guest that says nothing is waited for."""

from __future__ import annotations

import time

# How long a guest may take to end a command, or to answer at all, before it counts as hung.
# It may share its processor with much other work.
GRACE_S = 60.0
# The same by QEMU's processor time, for a guest that hangs and keeps its processor busy.
BUSY_GRACE_S = 15.0
# A command that measures says nothing for minutes.  After that long, its guest is asked whether
# it still answers; an answer takes instructions, which are not to be in each window.
SILENT_S = 300.0


class ConnectionLostError(Exception):
    """The guest's end is gone, or does not answer; the caller knows more."""


class Awaited:
    """Waiting for something that a guest was told to do.

    Parameters
    ----------
    what : str
        What it was told to do, for messages.
    processor_s : float or None
        The seconds that QEMU had had a processor until then, if they are known.
    """

    def __init__(self, what: str, processor_s: float | None) -> None:
        self._what, self._processor_s = what, processor_s
        self._latest_s = time.monotonic() + GRACE_S

    def again(self, processor_s: float | None) -> float:
        """Return until when to wait before this is asked again.

        Raises
        ------
        ConnectionLostError
            It has been waited for long enough.
        """
        now_s = time.monotonic()
        busy = (
            self._processor_s is not None
            and processor_s is not None
            and processor_s - self._processor_s > BUSY_GRACE_S
        )
        if busy or now_s >= self._latest_s:
            waited = f"{BUSY_GRACE_S:g} s of processor time" if busy else f"{GRACE_S:g} s"
            raise ConnectionLostError(f"it did not {self._what} within {waited}")
        return min(self._latest_s, now_s + 1.0)


class Silence:
    """A command of which nothing is heard, whose guest may hang."""

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        """Begin again: something was heard."""
        self._until_s = time.monotonic() + SILENT_S
        self._answer: Awaited | None = None

    def before(self, deadline_s: float | None) -> float:
        """Return until when to wait: what comes first, a deadline or this."""
        return self._until_s if deadline_s is None else min(deadline_s, self._until_s)

    def asks(self, processor_s: float | None) -> bool:
        """Return whether the guest is to be asked now for a sign of life.

        Raises
        ------
        ConnectionLostError
            It was, and has not given one.
        """
        if time.monotonic() < self._until_s:
            return False
        if first := self._answer is None:
            self._answer = Awaited("give a sign of life", processor_s)
        assert self._answer is not None
        self._until_s = self._answer.again(processor_s)
        return first
