"""``ebpf-overhead decompose``: which part of an overhead is the hook, which the program."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from ebpf_overhead.cli.options import format_option
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report import decomposition_view as view
from ebpf_overhead.report.decomposition import Decomposition, decompose
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.rows import UNIT_HEADINGS

_EXAMPLES = """
\b
Examples:
  ebpf-overhead measure --program all --format json -o all.json
  ebpf-overhead measure --program empty --beside --format json -o beside.json
  ebpf-overhead decompose all.json --beside beside.json --plot parts.png
"""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="decompose", epilog=_EXAMPLES)
@click.argument("result", type=_FILE)
@click.option(
    "--beside",
    type=_FILE,
    help="Result of measure --beside --program empty: splits the hook into entry and dispatch.",
)
@format_option("table", "markdown", "json", help_text="How to print the parts.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw them into this file."
)
def command(result: Path, beside: Path | None, format_name: str, plot: Path | None) -> None:
    """Take the result of a measurement apart: hook (entry, dispatch) and body.

    RESULT is the JSON of ebpf-overhead measure, with the program empty among others.  The
    hook is what empty costs, a body what a program costs beyond it; the spread says whether
    that depends on the attach type.
    """
    parts = decompose(_read(result), None if beside is None else _read(beside))
    if plot is not None:
        view.plot(parts, plot)
    if format_name == "json":
        click.echo(json.dumps(_as_dict(parts), indent=1))
    elif format_name == "markdown":
        click.echo(view.to_markdown(parts), nl=False)
    else:
        _print(parts)


def _read(path: Path) -> Record:
    try:
        record: Record = json.loads(path.read_text())
        if not isinstance(record, dict) or "cases" not in record:
            raise ValueError("no cases in it")
    except (ValueError, OSError) as error:
        raise BadUseError(
            f"{path} is no result of measure: {error}", "make it with measure --format json -o"
        ) from error
    return record


def _as_dict(parts: Decomposition) -> dict[str, Any]:
    return {
        "unit": parts.unit,
        "kernel": parts.kernel,
        "hooks": {
            name: {
                part: None if cost is None else dataclasses.asdict(cost)
                for part, cost in (
                    ("total", hook.total),
                    ("entry", hook.entry),
                    ("dispatch", hook.dispatch),
                )
            }
            for name, hook in parts.hooks.items()
        },
        "bodies": [
            {
                "program": body.program,
                "costs": {name: dataclasses.asdict(cost) for name, cost in body.costs.items()},
                "spread": body.spread,
                "additive": body.additive,
            }
            for body in parts.bodies
        ],
    }


def _print(parts: Decomposition) -> None:
    console = Console()
    unit = UNIT_HEADINGS[parts.unit]
    for title, rows in (("hook", view.hook_rows(parts)), ("body", view.body_rows(parts))):
        table = Table(
            title=f"{title}, {unit}, kernel {parts.kernel}",
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
        )
        for index, heading in enumerate(rows[0]):
            table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
