"""Progress of long work, independent of terminals."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives progress and notes."""

    def note(self, text: str) -> None:
        """Take one line that the user should read."""

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """Take how far a step is: `done_bytes` of `total_bytes`; they are equal at its end."""
