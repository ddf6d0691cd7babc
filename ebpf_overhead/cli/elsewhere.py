"""What commands do in a guest: measure cases, or the same command with the same options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ebpf_overhead.cli.guest_options import guest_variant, to_be_booted
from ebpf_overhead.cli.progress import showing_steps
from ebpf_overhead.programs.catalogue import Program, is_file, programs_named

if TYPE_CHECKING:  # they come with what measures
    from ebpf_overhead.report.record import Record
    from ebpf_overhead.studies.cases_run import Job

# Of this machine, and of how its result is shown.
_KEPT = frozenset(
    (
        "kernel",
        "kernels",
        "boot",
        "boot_args",
        "cpu_model",
        "wait",
        "output",
        "format_name",
        "as_json",
        "plot",
        "cpu",
        "openmetrics",
    )
)


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
    context = click.get_current_context()
    words = [*context.command_path.split()[1:], "--format", "json", *given_options(context)]
    arguments = ["-m", "ebpf_overhead.cli", *words]
    return _measure(kernel, arguments, programs_named(programs), ["ebpf_overhead.cli.measure"])


def measure_there(kernel: str, job: Job) -> Record:
    """Measure cases in a guest and return the record; see `run_in_guest`.

    Parameters
    ----------
    kernel : str
        Release or series of an installed kernel.
    job : Job
        What to measure.
    """
    from ebpf_overhead.api.measuring import there

    with showing_steps() as show:
        return there(kernel, job, show, restore=not to_be_booted(), variant=guest_variant())


def _measure(
    kernel: str, arguments: list[str], programs: list[Program], preload: list[str]
) -> Record:
    from ebpf_overhead.measure.in_guest import measure_in_guest

    how: dict[str, Any] = {"restore": not to_be_booted(), "variant": guest_variant()}
    with showing_steps() as show:
        return measure_in_guest(kernel, arguments, show, programs, preload=preload, **how)


def given_options(context: click.Context) -> list[str]:
    """Return the options that a command was called with, but those of the host alone.

    Its arguments come last, in the way in which none is taken for an option.
    """
    options: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _KEPT or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for each in value if isinstance(value, tuple) else [value]:
            given = [] if each is True else [_as_seen_there(name, each)]
            if isinstance(parameter, click.Argument):
                arguments += given
            else:
                options += [parameter.opts[0], *given]
    return [*options, "--", *arguments] if arguments else options


def _as_seen_there(parameter: str, value: object) -> str:
    # A command in a guest starts in another directory.
    text = str(value)
    return str(Path(text).absolute()) if parameter == "program" and is_file(text) else text
