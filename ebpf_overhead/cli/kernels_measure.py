"""``ebpf-overhead kernels measure``: the kernel history, several guests side by side."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import KERNEL
from ebpf_overhead.cli.progress import say
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.kernels.catalogue import find, installed
from ebpf_overhead.kernels.layout import DATA_VARIABLE, HISTORY_VARIABLE, Layout

# What is asked of guests, whose clock cannot answer the benchmarks of time.
_COUNTED = (r"^(getpid|tracepoints)\.Instructions\.",)

# What failed, or could not be measured as a whole, is tried again.
_ONLY_MISSING = ("--skip-existing-successful",)

_EXAMPLES = """
\b
Examples:
  ebpf-overhead kernels measure
  ebpf-overhead kernels measure --missing
  ebpf-overhead kernels measure --jobs 1 6.1 6.12
"""


@click.command(name="measure", epilog=_EXAMPLES)
@click.argument("what", nargs=-1, type=KERNEL)
@click.option(
    "-j", "--jobs", type=click.IntRange(1), help="Kernels at a time.  [default: one per CPU]"
)
@click.option("--bench", multiple=True, metavar="REGEX", help="As for asv run.")
@click.option("--missing", is_flag=True, help="Measure only what has no result yet.")
@options.config
@click.pass_obj
def measure(
    layout: Layout,
    /,
    what: tuple[str, ...],
    jobs: int | None,
    bench: tuple[str, ...],
    missing: bool,
    config: Path,
) -> None:
    """Run asv on kernels of the history, all by default, several side by side.

    The results are where `asv run` puts them: in .asv/kernels/results, beside the committed
    ones; `kernels keep` puts them under version control.  Unless --bench says otherwise, guests
    are asked for what their clock can answer: the reference grid and the further forms of
    tracepoint, in instructions.  The running kernel is measured last and alone: it is timed.
    """
    from ebpf_overhead.asv import benchmark_names, side_by_side

    benchmark_names.require(bench, config)
    kernels = [find(wanted, layout) for wanted in what] if what else installed(layout)
    if not kernels:
        raise BadUseError("no kernel is here", "ebpf-overhead kernels add 6.1 6.12 7.3")
    # asv and its plugin look for kernels where this command does.
    os.environ.update({DATA_VARIABLE: str(layout.root), HISTORY_VARIABLE: str(layout.history)})
    failed = False
    for timed, at_once in ((False, jobs or len(os.sched_getaffinity(0))), (True, 1)):
        chosen = [each.release for each in kernels if (each.source == "running") == timed]
        if not chosen:
            continue
        asked = bench or (() if timed else _COUNTED)
        for outcome in side_by_side.measure(
            chosen,
            at_once,
            config,
            config.absolute().parent / ".asv" / "kernels" / "log",
            [*_ONLY_MISSING[:missing], *(w for regex in asked for w in ("--bench", regex))],
            lambda release: say(f"Measuring on {release}"),
        ):
            click.echo(str(outcome))
            failed = failed or outcome.exit_status != 0
    if failed:
        raise click.exceptions.Exit(int(ExitStatus.CASE_FAILED))
