"""``ebpf-overhead kernels keep``: puts results of kernels under version control."""

from __future__ import annotations

from pathlib import Path

import click

from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.cli import options
from ebpf_overhead.kernels.layout import Layout

_EXAMPLES = """
\b
Examples:
  ebpf-overhead kernels keep
  ebpf-overhead kernels keep 6.12 && git add results
"""


@click.command(name="keep", epilog=_EXAMPLES)
@click.argument("what", nargs=-1)
@options.config
@click.pass_obj
def keep(layout: Layout, /, what: tuple[str, ...], config: Path) -> None:
    """Put results of kernels under version control, all by default.

    Runs write to .asv/kernels/results, which git ignores.  This copies what is newer there to
    results/kernels, and what the kernels' commits are made of to results/kernel-records.
    Results by time stay out: they belong to one machine.
    """
    workspace = Workspace(config.absolute().parent)
    workspace.prepare(layout)
    for wanted in what:
        workspace.find(wanted)
    changed = workspace.keep(layout, lambda record: not what or any(map(record.is_called, what)))
    for path in changed:
        click.echo(path.relative_to(workspace.root))
    click.echo(f"files that changed: {len(changed)}")
