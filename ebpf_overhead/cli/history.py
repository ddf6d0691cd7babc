"""``ebpf-overhead history``: what probes cost on every kernel that was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from ebpf_overhead.cases import STANDARD_PROGRAMS
from ebpf_overhead.cli.options import format_option
from ebpf_overhead.figures import history as figure
from ebpf_overhead.figures.canvas import save
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.report import history as stored
from ebpf_overhead.report.history import KernelCosts, Step

_EXAMPLES = """
\b
Examples:
  ebpf-overhead history
  ebpf-overhead history -o kernels.svg
  ebpf-overhead history --format json
"""


@click.command(name="history", epilog=_EXAMPLES)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="asv.kernels.json",
    show_default=True,
    help="asv's configuration for kernels.",
)
@click.option(
    "--step",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    metavar="PERCENT",
    help="List what differs by more than this from the kernel before.",
)
@format_option("markdown", "json")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw into this file, .svg or .png; needs matplotlib.",
)
def command(config: Path, step: float, format_name: str, output: Path | None) -> None:
    """Print what probes on getpid cost, kernel by kernel, and where that changes.

    Everything is in instructions per call, from the results that asv stored.
    """
    known = stored.known_kernels(stored.names_path(config), History(default_layout().history))
    kernels = stored.costs(config, known)
    steps = list(stored.steps(kernels, step / 100))
    if format_name == "json":
        click.echo(_json(kernels, steps))
    else:
        click.echo(figure.markdown(kernels))
        click.echo(f"Steps of more than {step:g} %:\n")
        click.echo(figure.steps_markdown(steps), nl=False)
    if output is not None:
        save(figure.draw(kernels), output)


def _json(kernels: Sequence[KernelCosts], steps: Sequence[Step]) -> str:
    record = {
        "schema": 1,
        "target": "getpid",
        "unit": "instructions",
        "kernels": [
            {
                **asdict(each.kernel),
                "baseline": each.unprobed,
                "overhead": [
                    {"attach": attach, "program": program, "estimate": value}
                    for (attach, program), value in each.overhead.items()
                ],
            }
            for each in kernels
        ],
        "steps": [
            {
                "before": step.before.kernel.release,
                "after": step.after.kernel.release,
                "attach": step.attach,
                "changes": dict(zip(STANDARD_PROGRAMS, step.changes, strict=True)),
            }
            for step in steps
        ],
    }
    return json.dumps(record, indent=1)
