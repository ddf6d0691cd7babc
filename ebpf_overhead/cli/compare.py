"""``ebpf-overhead compare``: any two results, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from ebpf_overhead.api import comparing
from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import NameType, described_kernels
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.report import comparison_tables, limits
from ebpf_overhead.report.comparison import Comparison
from ebpf_overhead.report.console import print_line
from ebpf_overhead.report.terminal import print_tables

_Function = TypeVar("_Function", bound=Callable[..., Any])

_WIDEST = 80
# For the shell; what else is a result is found when it is asked for.
_RESULT = NameType("result", described_kernels, checked=False, files=True, metavar="RESULT")
_WHAT = """\b
A and B:
  6.12                  a kernel: its release, version or series
  result.json           a file that --json wrote, of any command that measures
  HEAD~1                a commit of this project that asv has results of
  running-kernel-…      an environment or a machine, as asv calls it
  result.json:old.bpf.o one program, attach type or kernel of any of these

"""
_EXAMPLES = """\b
Examples:
  ebpf-overhead compare 6.12 7.3
  ebpf-overhead compare before.json after.json --fail-on 5% --fail-on +10ns
  ebpf-overhead compare 6.12:fentry 6.12:kprobe --all
  ebpf-overhead compare HEAD~1 HEAD --format markdown

Exit status: 0 compared, 1 something costs more than --fail-on allows, or fails that was measured
before, 2 bad use.
"""


def _limits(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> list[limits.Limit]:
    return [limits.parse(text) for each in given for text in each.split(",")]


@click.command(name="compare", epilog=_WHAT + _EXAMPLES)
@click.argument("before", metavar="A", type=_RESULT)
@click.argument("after", metavar="B", type=_RESULT)
@click.option(
    "--fail-on",
    "allowed",
    multiple=True,
    callback=_limits,
    metavar="LIMIT",
    help="End with status 1 where B costs more than A by more than this, and by more than chance:"
    " 5%, +3instr or 10ns; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Show the rows that do not differ as well.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Compare although machines, CPU models or versions of QEMU differ, and say so.",
)
@options.configuration(
    "--config", "config", comparing.KERNELS, "asv's configuration for kernels.", optional=True
)
@options.configuration(
    "--commits", "project", comparing.PROJECT, "asv's configuration for commits.", optional=True
)
@options.result("table", "markdown", "json")
def command(
    before: str,
    after: str,
    allowed: list[limits.Limit],
    everything: bool,
    anyway: bool,
    config: Path,
    project: Path,
    output: Output,
) -> None:
    """Compare two results: kernels, records, commits, environments, programs.

    Only what differs is shown: by more than chance where it was timed, at all where it was counted.
    """
    found = comparing.compare(before, after, anyway=anyway, kernels=config, project=project)
    failed = limits.exceeding(found, allowed) if allowed else []

    def show(comparison: Comparison, console: Console) -> None:
        console.width = min(console.width, _WIDEST)
        for line in comparison_tables.header(comparison):
            print_line(console, line)
        console.print()
        print_tables(
            comparison_tables.tables(comparison, everything),
            comparison_tables.notes(comparison, everything),
            console,
        )

    output.show(
        found,
        show,
        {
            "markdown": lambda each: comparison_tables.markdown(each, everything),
            "json": lambda each: comparison_tables.to_json(each, everything, failed),
        },
    )
    for line in failed:
        click.echo(f"over the limit: {line}", err=True)
    output.end(ExitStatus.CASE_FAILED if failed else ExitStatus.MEASURED)
