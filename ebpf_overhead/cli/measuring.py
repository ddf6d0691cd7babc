"""Measuring on this machine: what must be there first, one command at a time, with progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import Named, say, showing_cases, showing_steps
from ebpf_overhead.measure import machine_lock, preflight

_Named = TypeVar("_Named", bound=Named)
_Row = TypeVar("_Row")


@contextmanager
def measuring(cases: Sequence[_Named]) -> Iterator[Callable[[_Named, float], None]]:
    """Let nothing else measure on this machine while the block runs, and show progress.

    What it yields is called with a case and its share done.

    Raises
    ------
    OverheadError
        Nothing can be measured here, or something else measures now.
    """
    preflight.check(cases)
    with machine_lock.held(), showing_cases(cases) as show:
        yield show


def measured(
    output: Output,
    cases: Sequence[_Named],
    measure: Callable[..., Iterator[_Row]],
    *settings: object,
) -> list[_Row]:
    """Return the rows of cases that are measured here; see `measuring`, and `Output.gather`.

    Parameters
    ----------
    output : Output
        Where they go.
    cases : sequence
        What to measure.
    measure : callable
        Called with the cases, the settings and what shows progress; yields the rows.
    *settings : object
        How.
    """
    with measuring(cases) as show:
        return output.gather(measure(cases, *settings, show))


def _wait(context: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.with_resource(machine_lock.waiting(_showing_whom))


wait_option = click.option(
    "--wait",
    is_flag=True,
    expose_value=False,
    callback=_wait,
    help="Wait while something else measures on this machine, instead of ending at once.",
)


@contextmanager
def _showing_whom() -> Iterator[Callable[[str], None]]:
    """Show whom the command waits for: beside a spinner, or in a line without a terminal."""
    with showing_steps() as show:

        def tell(line: str) -> None:
            show(line)
            if not sys.stderr.isatty():
                say(line)

        yield tell
