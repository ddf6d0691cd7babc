"""``ebpf-overhead study decomposition``: an overhead's parts: the hook, and the program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ebpf_overhead.cli import options
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.reading import naming
from ebpf_overhead.report.canvas import save
from ebpf_overhead.report.record import plain
from ebpf_overhead.report.terminal import print_tables
from ebpf_overhead.studies.decomposition import tables as view
from ebpf_overhead.studies.decomposition.figure import draw_parts
from ebpf_overhead.studies.decomposition.parts import Decomposition, decompose
from ebpf_overhead.studies.registry import read_record

_REMEDY = "make it with measure --format json -o FILE"
_EXAMPLES = """
\b
Examples:
  ebpf-overhead measure --program all --format json -o all.json
  ebpf-overhead measure --program empty --co-attached --json -o second.json
  ebpf-overhead study decomposition all.json --co-attached second.json --plot parts.png
"""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="decomposition", epilog=_EXAMPLES)
@click.argument("result", type=_FILE)
@click.option(
    "--co-attached",
    "--beside",
    "beside",
    type=_FILE,
    help="Result of measure --co-attached --program empty: splits the hook in two.",
)
@options.figure("--plot", help_text="Draw them into this file.")
@options.result("table", "markdown", "json", help_text="How to print the parts.")
def command(result: Path, beside: Path | None, plot: Path | None, output: Output) -> None:
    """Take the result of a measurement apart: hook (entry, dispatch) and body.

    RESULT is the JSON of ebpf-overhead measure, with the program empty among others.  The
    hook is what empty costs, a body what a program costs beyond it; the spread says whether
    that depends on the attach type.
    """
    given = (result,) if beside is None else (result, beside)
    records = [read_record(path, _REMEDY) for path in given]
    with naming(", ".join(map(str, given)), error=BadUseError, remedy=_REMEDY):
        parts = decompose(*records)
    output.show(parts, _print, _FORMATS)
    if plot is not None:
        save(draw_parts(parts), plot)


def _as_dict(parts: Decomposition) -> dict[str, Any]:
    hooks = {name: {**vars(hook), "entry": hook.entry} for name, hook in parts.hooks.items()}
    bodies = [
        {**vars(body), "spread": body.spread, "additive": body.additive} for body in parts.bodies
    ]
    found: dict[str, Any] = plain({**vars(parts), "hooks": hooks, "bodies": bodies})
    return found


_FORMATS: Mapping[str, Callable[[Decomposition], str]] = {
    "json": lambda parts: json.dumps(_as_dict(parts), indent=1) + "\n",
    "markdown": view.to_markdown,
}


def _print(parts: Decomposition, console: Console) -> None:
    print_tables(view.tables(parts), (), console)
