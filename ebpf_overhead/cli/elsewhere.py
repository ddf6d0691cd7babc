"""The same command in a guest: what of its options is passed on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console

from ebpf_overhead.catalogue import is_file, own_programs
from ebpf_overhead.report.record import Record

# Of this machine, and of how its result is shown.
_KEPT = frozenset({"kernel", "output", "format_name", "plot", "cpu", "openmetrics"})


def run_in_guest(kernel: str, programs: Iterable[str] = ()) -> Record:
    """Run this command, with the options it was given, in a guest, and return its record.

    Parameters
    ----------
    kernel : str
        Release or series of an installed kernel.
    programs : iterable of str, optional
        Programs that the options name: those that are files are shown to the guest.

    Raises
    ------
    OverheadError
        The kernel is not installed, does not boot, or the command failed in it.
    """
    from ebpf_overhead.remote import measure_in_guest

    context = click.get_current_context()
    console = Console(stderr=True)
    with console.status(f"kernel {kernel}") as status:
        return measure_in_guest(
            kernel,
            given_options(context),
            status.update,
            _sources(programs),
            context.command.name or "",
        )


def _sources(programs: Iterable[str]) -> list[Path]:
    """Return the files among programs as they are named on the command line."""
    return [own.source for own in own_programs(programs) if own.source is not None]


def given_options(context: click.Context) -> list[str]:
    """Return the options that a command was called with, but those of the host alone."""
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _KEPT or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for each in value if isinstance(value, tuple) else [value]:
            arguments += (
                [parameter.opts[0]] if each is True else [parameter.opts[0], _as_seen_there(each)]
            )
    return arguments


def _as_seen_there(value: object) -> str:
    # A command in a guest starts in another directory.
    text = str(value)
    return str(Path(text).absolute()) if is_file(text) else text
