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
@options.configuration(
    "--commits", "commits", Path("asv.conf.json"), "asv's configuration for commits.", optional=True
)
def command(config: Path, commits: Path) -> None:
    """Publish the stored results as a site: an entrance, and asv's own pages behind it.

    The kernels are those under version control and those measured here, the times those of `asv
    run`.  Nothing is measured.  The site opens from disk, in the folder that asv's configurations
    name.
    """
    entrance = building.build(config, commits, lambda text: click.echo(text, err=True))
    click.echo(f"site: {entrance.absolute()}")
