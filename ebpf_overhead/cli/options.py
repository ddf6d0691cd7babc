"""Options that several commands have, and what belongs to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ebpf_overhead.cases import ATTACH_TYPES, GROUPS
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.report.openmetrics import write_atomically
from ebpf_overhead.sampling import Precision

# Older versions of click know no types of parameters' values at run time.
if TYPE_CHECKING:
    _PrecisionParamType = click.ParamType[Precision]
else:
    _PrecisionParamType = click.ParamType


class PrecisionType(_PrecisionParamType):
    """``1%`` of the overhead, ``0.5ns``, or both with a comma: the larger one counts."""

    name = "precision"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Precision:
        """Return what the words mean."""
        relative = absolute = 0.0
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%|ns)\s*", part)
            if match is None or float(match[1]) <= 0:
                self.fail(f"{value!r} is not like 1%, 0.5ns or 1%,1ns", param, ctx)
            if match[2] == "%":
                relative = float(match[1]) / 100
            else:
                absolute = float(match[1])
        return Precision(relative, absolute)


_Function = TypeVar("_Function", bound=Callable[..., Any])
_Decorator = Callable[[_Function], _Function]


def attach_option(default: str) -> _Decorator[Any]:
    """Add ``--attach``, which may be repeated; ``default`` says what it is without."""
    return click.option(
        "--attach",
        multiple=True,
        type=click.Choice([*GROUPS, *ATTACH_TYPES]),
        metavar="NAME|GROUP",
        help="Attach type (docs/attach-types.md), or one of the groups"
        f" {', '.join(GROUPS)}; may be repeated.  [default: {default}]",
    )


def format_option(*names: str, help_text: str = "How to print the result.") -> _Decorator[Any]:
    """Add ``--format``, one of some names, by default the first; parameter ``format_name``."""
    return click.option(
        "--format",
        "format_name",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help=help_text,
    )


def time_option(default_s: float, help_text: str) -> _Decorator[Any]:
    """Add ``--time``, in seconds; parameter ``time_s``."""
    return click.option(
        "--time",
        "time_s",
        type=click.FloatRange(0.05, 3600),
        default=default_s,
        show_default=True,
        help=help_text,
    )


output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
kernel_option = click.option(
    "--kernel",
    metavar="RELEASE",
    help="Do it in a guest booted on this kernel, in instructions; see kernels list.",
)
cpu_option = click.option(
    "--cpu", type=click.IntRange(0), help="CPU to measure on.  [default: the last one allowed]"
)
seed_option = click.option("--seed", type=int, help="Seed of the order of the windows.")
precision_option = click.option(
    "--precision",
    type=PrecisionType(),
    default="1%,1ns",
    show_default=True,
    help="Stop a case when half the width of the 99 % interval of its overhead is this"
    " small: a share of the overhead, ns, or the larger of both.",
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
