"""``ebpf-overhead report``: the tables of results that asv stored."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead.cli.options import format_option
from ebpf_overhead.kernels.catalogue import find
from ebpf_overhead.report.asv_results import latest_record
from ebpf_overhead.report.formats import to_markdown
from ebpf_overhead.report.terminal import print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead report
  ebpf-overhead report --commit 1a2b3c4d --format markdown
"""


@click.command(name="report", epilog=_EXAMPLES)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="asv.conf.json",
    show_default=True,
    help="asv's configuration.",
)
@click.option("--commit", help="Commit of the project that was measured.  [default: the newest]")
@click.option(
    "--kernel",
    default="running",
    show_default=True,
    help="Kernel that was measured on: a release or series of `ebpf-overhead kernels list`.",
)
@format_option("table", "markdown", help_text="How to print the tables.")
def command(config: Path, commit: str | None, kernel: str, format_name: str) -> None:
    """Show the three tables of a kernel's newest results in asv's store."""
    guest = None if kernel in ("running", os.uname().release) else find(kernel).release
    record = latest_record(config, commit, kernel=guest)
    if format_name == "markdown":
        click.echo(to_markdown(record), nl=False)
    else:
        print_tables(record, Console())
