"""How long work tells its caller what goes on, without knowing about terminals."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """What the command line, a test or nobody listens with."""

    def note(self, text: str) -> None:
        """One line the user should read."""

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """State how far a step is: `done_bytes` of `total_bytes` (equal when it ended)."""


class Silent:
    """A reporter that says nothing."""

    def note(self, text: str) -> None:
        """Drop the line."""

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """Drop the progress."""
