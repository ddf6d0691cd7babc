"""Progress on standard error: what is being done, and how long it still takes.

A step is named by a line that begins with what is done: ``Starting 6.12``, ``Measuring …``,
``Counting …``, ``Tracing …``, ``Sampling …``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO, TypeVar

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ebpf_overhead.printable import printable
from ebpf_overhead.report.console import PlainConsole


class Named(Protocol):
    """What is measured, one thing after the other."""

    @property
    def name(self) -> str:
        """Name for people."""


_Named = TypeVar("_Named", bound=Named)


def say(line: str) -> None:
    """Say in a line what goes on; other people's names in it are shown, and not obeyed."""
    click.echo(printable(line, keep="\n"), err=True)


@contextmanager
def showing_steps() -> Iterator[Callable[[str], None]]:
    """Show the step at hand beside a spinner while the block runs; call what it yields with it."""
    with _terminal() as terminal:
        console = PlainConsole(file=terminal)
        with console.status("Starting") as status:
            yield status.update


@dataclass(frozen=True)
class Work:
    """One step of work after the other, each with a bar under the line that names it.

    Without a terminal only the lines are shown.
    """

    _progress: Progress
    _task: TaskID

    def say(self, line: str) -> None:
        """Begin a step."""
        if self._progress.disable:
            say(line)
            return
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._progress.reset(self._task)
        self.done(0.0)

    def done(self, share: float) -> None:
        """Say which share of the step is done, 0..1."""
        self._progress.update(self._task, completed=share, refresh=True)


@contextmanager
def showing_work() -> Iterator[Work]:
    """Show progress while the block runs, of whatever it says."""
    with _terminal() as terminal:
        progress = Progress(
            BarColumn(),
            TimeRemainingColumn(),
            console=PlainConsole(file=terminal),
            auto_refresh=False,
            transient=True,
            disable=not terminal.isatty(),
        )
        with progress:
            yield Work(progress, progress.add_task("", total=1.0))


@contextmanager
def _terminal() -> Iterator[TextIO]:
    # Descriptor 2 is borrowed while BCC works, so progress has one of its own.
    with open(os.dup(2), "w", encoding="utf-8") as terminal:
        yield terminal


@contextmanager
def showing_cases(cases: Sequence[_Named]) -> Iterator[Callable[[_Named, float], None]]:
    """Show progress while the block runs; call what it yields with a case and its share done."""
    with showing_turns(len(cases)) as show:
        yield lambda case, share: show(case, cases.index(case) + share)


@contextmanager
def showing_turns(cases: int, what: str = "cases") -> Iterator[Callable[[Named, float], None]]:
    """Show progress while the block runs; call what it yields with a case and how many are done."""
    with _terminal() as terminal:
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {what}"),
            TimeRemainingColumn(),
            console=PlainConsole(file=terminal),
            auto_refresh=False,  # no second thread while windows are timed
            transient=True,
            disable=not terminal.isatty(),
        )
        with progress:
            task = progress.add_task("Starting", total=cases)

            def show(case: Named, done: float) -> None:
                step = f"Measuring {case.name}"
                progress.update(task, description=step, completed=done, refresh=True)

            yield show
