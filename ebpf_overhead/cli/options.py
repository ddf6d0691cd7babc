"""The grammar of the command line: every option that more than one command has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ebpf_overhead.asv import suite
from ebpf_overhead.cli.durations import DurationType, PrecisionType
from ebpf_overhead.cli.files import check_writable, write_result
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, GROUPS
from ebpf_overhead.programs.catalogue import PROGRAM_GROUPS, PROGRAMS
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS

# The end of the help of a command that measures.
STATUS = """
Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Decorator = Callable[[_Function], _Function]

# Attach types that a system call or a function of the timed loop can be probed by.
ATTACH_TYPE = NameType("attach type", ATTACH_TYPES, metavar="NAME")
GETPID_ATTACH_TYPE = NameType(
    "attach type for getpid",
    [name for name, each in ATTACH_TYPES.items() if each.workload_kind == GETPID.kind],
    metavar="NAME",
)
# Of those the ones whose program runs once for a call.
RUN_ONCE_ATTACH_TYPE = NameType(
    "attach type",
    [
        name
        for name, each in ATTACH_TYPES.items()
        if each.workload_kind == GETPID.kind and each.runs_per_call == 1
    ],
)
_ATTACH_OR_GROUP = NameType("attach type", [*GROUPS, *ATTACH_TYPES], metavar="NAME|GROUP")
WORKLOAD = NameType("workload", WORKLOADS, metavar="NAME")
PROGRAM = NameType("program", PROGRAMS, metavar="NAME")
PROGRAM_OR_FILE = NameType("program", PROGRAMS, checked=False, files=True, metavar="NAME|FILE")
PROGRAM_GROUP_OR_FILE = NameType(
    "program",
    [*PROGRAM_GROUPS, *PROGRAMS],
    checked=False,
    files=True,
    metavar="NAME|GROUP|FILE",
)


def add_options(function: _Function, options: Sequence[_Decorator[Any]]) -> _Function:
    """Add options to a command; the help shows them in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def result(*formats: str, help_text: str = "How to print the result.") -> _Decorator[Any]:
    """Add ``--format``, ``--json`` and ``-o``; the parameter ``output`` is an opened `Output`.

    It is opened before the command begins, so that nothing is measured in vain.

    Parameters
    ----------
    *formats : str
        Names of the formats, the default first; ``table`` and ``json`` without any.
    help_text : str
        What ``--format`` is for.
    """
    names = formats or ("table", "json")

    def decorate(function: _Function) -> Any:
        @functools.wraps(function)
        def opened(
            *args: Any,
            format_name: str | None,
            output: Path | None,
            as_json: bool = False,
            **given: Any,
        ) -> Any:
            if as_json and format_name not in (None, "json"):
                raise BadUseError(f"--json and --format {format_name} were given", "choose one")
            chosen = "json" if as_json else format_name or names[0]
            with Output(chosen, output) as result:
                return function(*args, output=result, **given)

        json_option = [_JSON] if "json" in names else []
        return add_options(opened, [_format_option(names, help_text), *json_option, _OUTPUT])

    return decorate


def _format_option(names: Sequence[str], help_text: str) -> _Decorator[Any]:
    return click.option(
        "--format",
        "format_name",
        type=NameType("format", names, aliases={"text": "table"}),
        help=f"{help_text}  [default: {names[0]}]",
    )


_JSON = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the result to this file.",
)


def attach(default: str) -> _Decorator[Any]:
    """Add ``--attach``, which may be repeated; ``default`` says what it is without."""
    return click.option(
        "--attach",
        multiple=True,
        type=_ATTACH_OR_GROUP,
        help="Attach type (docs/attach-types.md), or one of the groups"
        f" {', '.join(GROUPS)}; may be repeated.  [default: {default}]",
    )


def workload(help_text: str, **settings: Any) -> _Decorator[Any]:
    """Add ``--workload``, with its older name ``--target``; the parameter is ``workload``."""
    return click.option("--workload", "--target", "workload", help=help_text, **settings)


def time(per: str, default_s: float) -> _Decorator[Any]:
    """Add ``--time`` for a whole run; the parameter ``time_s`` is None where it was not given.

    Parameters
    ----------
    per : str
        What the run consists of: ``case``.
    default_s : float
        Seconds that each of them has by default.
    """
    return click.option(
        "--time",
        "time_s",
        type=DurationType(),
        help=f"Time to sample all {per}s, shared evenly: 10s, 500ms, 2m."
        f"  [default: {default_s:g} s per {per}]",
    )


def share_of_time(time_s: float | None, count: int, default_s: float) -> float:
    """Return the seconds of each of ``count`` cases of a run.

    However short, each is measured for the blocks that an interval needs.
    """
    return default_s if time_s is None else time_s / max(count, 1)


def duration(help_text: str, default: str | None) -> _Decorator[Any]:
    """Add ``-d`` for how long something is watched; the parameter is ``duration_s``."""
    return click.option(
        "-d",
        "--duration",
        "duration_s",
        type=DurationType(),
        default=default,
        help=help_text,
    )


cpu = click.option(
    "--cpu", type=click.IntRange(0), help="CPU to measure on.  [default: the last one allowed]"
)
seed = click.option("--seed", type=int, help="Seed of the order of the windows.")
precision = click.option(
    "--precision",
    type=PrecisionType(),
    help="Stop when half the width of the 99 % interval of every overhead is this small: a share"
    " of the overhead, ns, or the larger of both.  [default: 5%,10ns; in guests 1%,1ns]",
)


def configuration(
    flag: str, name: str, default: Path, help_text: str, *, optional: bool = False
) -> _Decorator[Any]:
    """Add an option for a configuration of asv.

    Parameters
    ----------
    flag, name, help_text : str
        The option.
    default : Path
        In the current directory.  Where there is none for kernels, the one that an installed
        package brings takes its place.
    optional : bool
        Whether the command does without, where none is named; it then looks for one when it
        needs it.
    """

    def present(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
        named = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        found = path if optional and not named else suite.configuration(path)
        if not found.is_file() and (named or not optional):
            remedy = f"name a configuration of asv: {flag}; make bench needs a checkout"
            raise BadUseError(f"{path} is no file here", remedy)
        return found

    kind = click.Path(path_type=Path)
    return click.option(
        flag,
        name,
        type=kind,
        metavar="FILE",
        default=str(default),
        callback=present,
        help=help_text,
    )


config = configuration(
    "--config", "config", suite.CONFIGURATION, "asv's configuration for kernels."
)

_FILTERS = (
    click.option("-p", "--pid", type=click.IntRange(1), help="Only this process."),
    click.option(
        "--cgroup",
        type=click.Path(path_type=Path),
        help="Only this cgroup (version 2, a directory) and those below it.",
    ),
    click.option("--comm", help="Only tasks with this command name."),
)


def filters(function: _Function) -> _Function:
    """Add the options that say whose events count: ``pid``, ``cgroup``, ``comm``."""
    return add_options(function, _FILTERS)


_OBJECT = (
    click.option(
        "--only",
        multiple=True,
        metavar="NAME[=SECTION]",
        help="Load and measure only this function of an object file or of a BCC tool's text, or"
        " this probe of a script; may be repeated.  SECTION says where it is attached, as object"
        " files say it: trace_entry=kprobe/vfs_read.",
    ),
    click.option(
        "--map-size",
        multiple=True,
        metavar="MAP=ENTRIES[:VALUE_BYTES]",
        help="Give a map of a file of your own so many entries, and values of so many bytes; may be"
        " repeated.",
    ),
    click.option(
        "--set",
        "variables",
        multiple=True,
        metavar="VARIABLE=VALUE",
        help="Give a global variable of an object file a value, CONFIG_… of the kernel, or a"
        " positional parameter of a script (1, 2 and so on); may be repeated.",
    ),
)


def object_file(function: _Function) -> _Function:
    """Add the options for object files: ``only``, ``map_size``, ``variables``."""
    return add_options(function, _OBJECT)


def figure(*flags: str, help_text: str) -> _Decorator[Any]:
    """Add an option for a figure's file, which is tried before the command begins."""
    return click.option(
        *flags,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        callback=lambda ctx, param, value: check_writable(value),
        help=help_text,
    )


openmetrics = figure(
    "--openmetrics",
    help_text="Write the result to this file as well, as OpenMetrics, for node_exporter's textfile"
    " collector (docs/metrics.md).",
)


def export(path: Path | None, text: Callable[[], str]) -> None:
    """Write what ``--openmetrics`` asked for, if it did."""
    if path is not None:
        write_result(path, text())
