"""``ebpf-overhead cache``: what is kept on disk, and clearing it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.filesize import decimal

from ebpf_overhead.cli import options
from ebpf_overhead.cli.kernels_view import TerminalReporter
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.report.console import print_table
from ebpf_overhead.tools import disk_use

_ALL = "all"
_EXAMPLES = """
\b
Examples:
  ebpf-overhead cache
  ebpf-overhead cache --clear objects --clear packages
"""


def _kinds() -> list[str]:
    return [*(each.name for each in disk_use.kept(default_layout())), _ALL]


@click.command(name="cache", epilog=_EXAMPLES)
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=NameType("kind of cache", _kinds, metavar="KIND|all"),
    help="Remove this kind first; again for more.  Results are never removed.",
)
@options.result()
def command(cleared: tuple[str, ...], output: Output) -> None:
    """Show what is kept on disk for later commands, and clear it.

    All of it can be made or fetched again: compiled programs, kernels and their packages,
    what was measured to correct other results, and directories of guests.
    """
    layout = default_layout()
    if cleared:
        names = _kinds()[:-1] if _ALL in cleared else list(dict.fromkeys(cleared))
        with TerminalReporter() as reporter:
            disk_use.clear(names, layout, reporter)
    rows = [_row(each) for each in disk_use.kept(layout)]
    output.show(rows, _print, {"json": lambda rows: json.dumps(rows, indent=1) + "\n"})
    output.end(ExitStatus.MEASURED)


def _row(kept: disk_use.Kept) -> dict[str, Any]:
    files, size_bytes = kept.use()
    places = [str(place) for place in kept.places]
    return {**asdict(kept), "places": places, "files": files, "size_bytes": size_bytes}


def _print(rows: list[dict[str, Any]], console: Console) -> None:
    cells = [
        (row["name"], str(row["files"]), decimal(row["size_bytes"]), row["summary"]) for row in rows
    ]
    total = sum(row["size_bytes"] for row in rows)
    cells.append((_ALL, str(sum(row["files"] for row in rows)), decimal(total), ""))
    print_table(console, ("kind", "files", "size", "what it is"), cells, words=(0, 3))
