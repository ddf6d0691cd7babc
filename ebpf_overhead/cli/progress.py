"""Progress of a run on the terminal: which case, and how long it still takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Named(Protocol):
    """What is measured, one thing after the other."""

    @property
    def name(self) -> str:
        """Name for people."""


_Named = TypeVar("_Named", bound=Named)


@contextmanager
def showing_cases(cases: Sequence[_Named]) -> Iterator[Callable[[_Named, float], None]]:
    """Show progress while the block runs; call what it yields with a case and its share done."""
    # Descriptor 2 is borrowed while BCC works, so progress has one of its own.
    with open(os.dup(2), "w", encoding="utf-8") as terminal:
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} cases"),
            TimeRemainingColumn(),
            console=Console(file=terminal),
            auto_refresh=False,  # no second thread while windows are timed
            transient=True,
            disable=not terminal.isatty(),
        )
        with progress:
            task = progress.add_task("starting", total=len(cases))

            def show(case: _Named, share: float) -> None:
                done = cases.index(case) + share
                progress.update(task, description=case.name, completed=done, refresh=True)

            yield show
