"""``ebpf-overhead history``: what probes cost on every kernel that was measured."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from ebpf_overhead.architectures import ARCHITECTURES, title
from ebpf_overhead.asv import history as stored
from ebpf_overhead.asv import history_figure as figure
from ebpf_overhead.asv.history import KernelCosts, Step
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import STANDARD_PROGRAMS
from ebpf_overhead.report.canvas import save

_OVERHEAD = ("attach", "program", "estimate", "reason")
_EXAMPLES = """
\b
Examples:
  ebpf-overhead history
  ebpf-overhead history --plot kernels.svg
  ebpf-overhead history --format json
  ebpf-overhead history --arch arm64
"""


def _finite(context: click.Context, param: click.Parameter, value: float) -> float:
    """Refuse nan, which no range excludes, and inf: no step is larger."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number of percent", context, param)
    return value


@click.command(name="history", epilog=_EXAMPLES)
@options.config
@click.option(
    "--arch",
    type=NameType("architecture", [title(each) for each in ARCHITECTURES]),
    default=lambda: title(platform.machine()),
    show_default=False,
    help="Kernels of this architecture.  [default: this machine's]",
)
@click.option(
    "--step",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    default=10,
    metavar="PERCENT",
    help="List what differs by more than this from the kernel before.",
)
@options.figure("--plot", help_text="Draw into this file, .svg or .png; needs matplotlib.")
@options.result("markdown", "json")
def command(config: Path, arch: str, step: float, plot: Path | None, output: Output) -> None:
    """Print what probes on getpid cost, kernel by kernel, and where that changes.

    Everything is in instructions per call, from the results that asv stored.
    """
    if output.is_picture:
        raise BadUseError("-o is for the tables", "draw with --plot FILE")
    workspace = Workspace(config.absolute().parent)
    workspace.prepare(warn=lambda text: click.echo(text, err=True))
    known = stored.of_architecture(stored.known_kernels(workspace.history), arch)
    kernels = stored.costs(config, known)
    steps = list(stored.steps(kernels, step / 100))
    output.text(
        _json(kernels, steps) + "\n"
        if output.format_name == "json"
        else _markdown(kernels, steps, step)
    )
    if plot is not None:
        save(figure.draw(kernels), plot)


def _markdown(kernels: Sequence[KernelCosts], steps: Sequence[Step], step: float) -> str:
    reasons = figure.reasons_markdown(kernels)
    parts = [figure.markdown(kernels), f"Not measured:\n\n{reasons}" if reasons else ""]
    parts += [f"Steps of more than {step:g} %:\n", figure.steps_markdown(steps)]
    return "\n".join(filter(None, parts))


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
                    dict(zip(_OVERHEAD, (*row, value, each.reasons.get(row)), strict=True))
                    for row, value in each.overhead.items()
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
