"""Options that several commands have, and what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.report.openmetrics import write_atomically

_Function = TypeVar("_Function", bound=Callable[..., Any])

_FILTERS = (
    click.option("-p", "--pid", type=click.IntRange(1), help="Only this process."),
    click.option(
        "--cgroup",
        type=click.Path(path_type=Path),
        help="Only this cgroup (version 2, a directory) and those below it.",
    ),
    click.option("--comm", help="Only tasks with this command name."),
)


def filter_options(function: _Function) -> _Function:
    """Add the options that say whose events count: ``pid``, ``cgroup``, ``comm``."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


def openmetrics_option(function: _Function) -> _Function:
    """Add ``--openmetrics FILE``; the parameter is ``openmetrics``, checked before the command."""
    return click.option(
        "--openmetrics",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=lambda ctx, param, value: _checked(value),
        help="Write the result to this file besides, as OpenMetrics, for node_exporter's"
        " textfile collector (docs/metrics.md).",
    )(function)


def _checked(path: Path | None) -> Path | None:
    if path is not None and not path.absolute().parent.is_dir():
        raise BadUseError(f"{path.parent} is not a directory", "create it first")
    return path


def export(path: Path | None, text: Callable[[], str]) -> None:
    """Write what ``--openmetrics`` asked for, if it did."""
    if path is None:
        return
    try:
        write_atomically(path, text())
    except OSError as error:
        raise FailedError(f"{path} cannot be written: {error.strerror}") from error
