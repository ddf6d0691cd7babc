"""``ebpf-overhead measure --workload-command``: what probes cost a command of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import showing_work
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import Case, select
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.phases import mark_started
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.command.record import make_record
from ebpf_overhead.tools.command.run import measure_command
from ebpf_overhead.tools.command.text import print_command
from ebpf_overhead.workload.command import UserCommand

_DEFAULT_S = 10.0
_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--workload-command",
        "command_line",
        metavar="COMMAND",
        help="Measure what probes cost this command, run in rounds with each attached and with none"
        " (docs/commands-of-yours.md).  There is no shell.",
    ),
    click.option(
        "--metric",
        metavar="REGEX",
        help="A number that the command prints: the first group of the last match.",
    ),
    click.option(
        "--victim",
        "victims",
        type=click.IntRange(1),
        multiple=True,
        metavar="PID",
        help="A server that the command drives, whose CPU time is measured, too; may be repeated.",
    ),
)
NAMES = ("command_line", "metric", "victims")


def command_options(function: _Function) -> _Function:
    """Add the options for a command: ``command_line``, ``metric``, ``victims``."""
    return options.add_options(function, _OPTIONS)


def commanded(line: str | None, metric: str | None, victims: tuple[int, ...]) -> UserCommand | None:
    """Return the command that the options name, if they do.

    Raises
    ------
    BadUseError
        They name none, but what to read of one; or it cannot be understood.
    """
    if line is not None:
        return UserCommand.of(line, metric, victims)
    if metric is not None or victims:
        raise BadUseError("--metric and --victim are of a command", "name it: --workload-command")
    return None


def cases_for(
    attach: Sequence[str], program: Sequence[str], workload: Sequence[str], settings: ObjectSettings
) -> list[Case]:
    """Return the cases of a command: workloads name attach points, and are not called.

    Without a name those that see all system calls, and programs that say where they belong.
    """
    named = attach or workload
    cases = [
        each
        for each in select(attach, program, workload, settings)
        if each.workload.syscall and (named or each.points or each.attach.system_wide)
    ]
    if not cases:
        raise BadUseError(
            "a command passes no attach point of a function of this process",
            "name a workload of system calls: --workload",
        )
    return cases


def measure_and_show(
    command: UserCommand,
    cases: list[Case],
    programs: Sequence[str],
    *,
    precision: Precision | None,
    time_s: float | None,
    cpu: int | None,
    seed: int | None,
    kernels: tuple[str, ...],
    output: Output,
    **others: object,
) -> NoReturn:
    """Measure the cases with the command, here or in a guest, write the record and end.

    Parameters
    ----------
    command : UserCommand
        What runs.
    cases : list of Case
        What is attached.
    programs : sequence of str
        As they were named.
    precision, time_s, cpu, seed, kernels, output
        The options of those names.
    **others
        Options that only other workloads have: none may have been given.
    """
    without = {"processes": 1}
    given = [name for name, value in others.items() if value and value != without.get(name)]
    _refuse(output.format_name, given)
    if kernels:
        record = _there(command, kernels, programs)
    else:
        mark_started()
        total_s = _DEFAULT_S * len(cases) if time_s is None else time_s
        sampling = Sampling(precision or Precision.by_default(), total_s, cpu, seed)
        record = _here(command, cases, sampling, output)
    output.finish(record, print_command)


def _refuse(format_name: str, given: Sequence[str]) -> None:
    if given:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise BadUseError(f"{words}: not for --workload-command", "leave it out")
    if format_name not in ("table", "json"):
        raise BadUseError(f"--format {format_name}: not for --workload-command", "take json")


def _there(command: UserCommand, kernels: tuple[str, ...], programs: Sequence[str]) -> Record:
    if kernels[1:]:
        raise BadUseError("its table is of one kernel", "name one --kernel")
    if command.victims:
        raise BadUseError("a guest has none of this machine's processes", "leave out --victim")
    return run_in_guest(kernels[0], programs)


def _here(command: UserCommand, cases: list[Case], sampling: Sampling, output: Output) -> Record:
    preflight.check(cases)
    command = UserCommand(command.arguments, command.metric, command.victims, sampling.cpu)
    with machine_lock.held(), showing_work() as work:
        work.say(f"Measuring {command}")
        outcomes = measure_command(command, cases, sampling, work.done)
        return make_record(command, output.gather(outcomes))
