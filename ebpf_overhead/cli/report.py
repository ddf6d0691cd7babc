"""``ebpf-overhead report``: the tables of results that asv stored."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead.asv.commits import commit_hash
from ebpf_overhead.asv.results import latest_record
from ebpf_overhead.asv.stored import revisions_are_kernels
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import NameType, installed_kernels
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.catalogue import find
from ebpf_overhead.report import formats, terminal
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies.grid import reference as reference_rows
from ebpf_overhead.studies.registry import FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead report
  ebpf-overhead report --commit 1a2b3c4d --format markdown
  ebpf-overhead report --config asv.kernels.json --kernel 6.12
  ebpf-overhead report --config asv.kernels.json --kernel 6.12 --reference
"""


# What asv stored is not enough for the other formats.
_FORMATS = {name: FORMATS[name] for name in ("markdown", "json")}


@click.command(name="report", epilog=_EXAMPLES)
@options.configuration("--config", "config", Path("asv.conf.json"), "asv's configuration.")
@click.option(
    "--commit",
    help="Commit of the project that was measured, as git names it.  [default: the newest]",
)
@click.option("--machine", help="Machine that measured, as asv names it.  [default: the newest]")
@click.option(
    "--kernel",
    type=NameType(
        "kernel", lambda: ["running", *installed_kernels()], checked=False, metavar="RELEASE"
    ),
    default="running",
    help="Kernel that was measured on: a release or series of `ebpf-overhead kernels list`; with "
    "asv.kernels.json any of `ebpf-overhead history`.",
)
@click.option(
    "--reference", is_flag=True, help="Show the ten rows of the reference benchmark in one table."
)
@options.result("table", *_FORMATS, help_text="How to print the tables.")
def command(
    config: Path,
    commit: str | None,
    machine: str | None,
    kernel: str,
    reference: bool,
    output: Output,
) -> None:
    """Show the three tables of a kernel's newest results in asv's store."""
    if revisions_are_kernels(config):
        if commit is not None:
            raise BadUseError(
                f"the revisions of {config} are kernels, and no commits", "leave --commit out"
            )
        workspace = Workspace(config.absolute().parent)
        workspace.prepare(warn=lambda text: click.echo(text, err=True))
        commit, found = workspace.find(kernel, measured=True)
        record = latest_record(config, commit, found.release, machine)
    else:
        guest = None if kernel in ("running", os.uname().release) else find(kernel).release
        named = commit and commit_hash(config.absolute().parent, commit)
        record = latest_record(config, named or commit, guest, machine)
    shown, *others = record.get("asv_machines", [""])
    if others and machine is None:
        click.echo(
            f"results of {shown}, the newest; there are others of {', '.join(others)}: --machine",
            err=True,
        )
    if reference:
        output.deliver(record, _print_reference, _REFERENCE_FORMATS)
    else:
        output.deliver(record, print_tables, _FORMATS)


def _print_reference(record: Record, console: Console) -> None:
    terminal.print_tables([reference_rows.table(record)], (), console)


_REFERENCE_FORMATS = {
    **_FORMATS,
    "markdown": lambda record: formats.to_markdown([reference_rows.table(record)], ()),
}
