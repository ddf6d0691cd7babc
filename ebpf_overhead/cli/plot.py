"""``ebpf-overhead plot``: figures, and the tables beside them, from stored records."""

from __future__ import annotations

from pathlib import Path

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.reading import naming
from ebpf_overhead.report.canvas import save
from ebpf_overhead.studies import registry

_REMEDY = "name a file that --format json wrote"
_EXAMPLES = """
\b
Examples:
  ebpf-overhead study targets --json -o here.json
  ebpf-overhead plot targets here.json -o targets.svg
"""


@click.command(name="plot", epilog=_EXAMPLES)
@click.argument(
    "figure",
    type=NameType("study", registry.FIGURES, aliases=registry.ALIASES),
    metavar="STUDY",
)
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.figure("-o", "--output", help_text="Draw into this file, .svg or .png; needs matplotlib.")
def command(figure: str, records: tuple[Path, ...], output: Path | None) -> None:
    """Print a table in Markdown, and draw a figure, from records that --format json wrote."""
    chosen = registry.load(figure).figure
    assert chosen is not None
    loaded = [registry.read_record(path, _REMEDY) for path in records]
    # Each value has its type, but they may contradict each other.
    with naming(", ".join(map(str, records)), error=BadUseError, remedy=_REMEDY):
        table = chosen.markdown(loaded)
        drawn = None if output is None else chosen.draw(loaded)
    click.echo(table, nl=False)
    if output is not None:
        save(drawn, output)
