"""``ebpf-overhead publish``: what is stored, as a site that needs no server and no network."""

from __future__ import annotations

from pathlib import Path

import click

from ebpf_overhead.cli import options
from ebpf_overhead.site import building

_EXAMPLES = """
\b
Examples:
  ebpf-overhead publish
  xdg-open .asv/html/index.html
"""


@click.command(name="publish", epilog=_EXAMPLES)
@options.config
@click.option(
    "--commits",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="asv.conf.json",
    help="asv's configuration for commits.",
)
def command(config: Path, commits: Path) -> None:
    """Publish the stored results as a site: an entrance, and asv's own pages behind it.

    The kernels are those under version control and those measured here, the times those of `asv
    run`.  Nothing is measured.  The site opens from disk, in the folder that asv's configurations
    name.
    """
    entrance = building.build(config, commits, lambda text: click.echo(text, err=True))
    click.echo(f"site: {entrance.absolute()}")
