"""``ebpf-overhead plot``: figures, and the tables beside them, from stored records."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.figures.canvas import save
from ebpf_overhead.report.record import Record

_FIGURES = ("attach-latency", "bystanders", "cohabitation", "map-state", "scaling", "targets")

_EXAMPLES = """
\b
Examples:
  ebpf-overhead measure --target getpid --target sendto --format json -o here.json
  ebpf-overhead plot targets here.json -o targets.svg
"""


@click.command(name="plot", epilog=_EXAMPLES)
@click.argument("figure", type=click.Choice(_FIGURES))
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw into this file, .svg or .png; needs matplotlib.",
)
def command(figure: str, records: tuple[Path, ...], output: Path | None) -> None:
    """Print a table in Markdown, and draw a figure, from records that --format json wrote."""
    chosen = importlib.import_module(f"ebpf_overhead.figures.{figure.replace('-', '_')}")
    loaded = [_read(path) for path in records]
    click.echo(chosen.markdown(loaded), nl=False)
    if output is not None:
        save(chosen.draw(loaded), output)


def _read(path: Path) -> Record:
    try:
        record: Record = json.loads(path.read_text())
        record["cases"], record["machine"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadUseError(
            f"{path} is no record: {error}", "name a file that --format json wrote"
        ) from error
    return record
