"""``ebpf-overhead kernels measure``: the kernel history, several guests side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import KERNEL
from ebpf_overhead.cli.progress import say
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.kernels.catalogue import Kernel, find, installed
from ebpf_overhead.kernels.layout import DATA_VARIABLE, HISTORY_VARIABLE, Layout

if TYPE_CHECKING:  # it comes with what measures
    from ebpf_overhead.asv.side_by_side import KernelRun

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
  ebpf-overhead kernels measure --scheduler tls://cluster:8786
"""


@click.command(name="measure", epilog=_EXAMPLES)
@click.argument("what", nargs=-1, type=KERNEL)
@click.option(
    "-j", "--jobs", type=click.IntRange(1), help="Kernels at a time.  [default: one per CPU]"
)
@click.option("--bench", multiple=True, metavar="REGEX", help="As for asv run.")
@click.option("--missing", is_flag=True, help="Measure only what has no result yet.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Measure on the workers of this Dask cluster: tls://HOST:PORT, or 127.0.0.1:PORT.",
)
@options.config
@click.pass_obj
def measure(
    layout: Layout,
    /,
    what: tuple[str, ...],
    jobs: int | None,
    bench: tuple[str, ...],
    missing: bool,
    scheduler: str | None,
    config: Path,
) -> None:
    """Run asv on kernels of the history, all by default, several side by side.

    The results are where `asv run` puts them: in .asv/kernels/results, beside the committed
    ones; `kernels keep` puts them under version control.  Unless --bench says otherwise, guests
    are asked for what their clock can answer: the reference grid and the further forms of
    tracepoint, in instructions.  The running kernel is measured last and alone: it is timed.
    A cluster measures no running kernel.
    """
    from ebpf_overhead.asv import benchmark_names

    if scheduler and jobs:
        raise BadUseError("--jobs and --scheduler were given", "dask worker --nthreads says it")
    benchmark_names.require(bench, config)
    kernels = [find(wanted, layout) for wanted in what] if what else installed(layout)
    if not kernels:
        raise BadUseError("no kernel is here", "ebpf-overhead kernels add 6.1 6.12 7.3")
    # asv and its plugin look for kernels where this command does.
    os.environ.update({DATA_VARIABLE: str(layout.root), HISTORY_VARIABLE: str(layout.history)})
    counted = [each for each in kernels if each.source != "running"]
    timed = [each for each in kernels if each.source == "running"]
    words = _words(bench or _COUNTED, missing)
    if not scheduler:
        at_once = jobs or len(os.sched_getaffinity(0))
        runs = [_here(counted, at_once, config, words)]
        runs.append(_here(timed, 1, config, _words(bench, missing)))
    elif what and timed:
        raise BadUseError("the running kernel is timed, which no cluster can do", "leave it out")
    else:
        runs = [_on_cluster(counted, scheduler, config, words)]
    failed = False
    for outcome in chain(*runs):
        click.echo(str(outcome))
        failed = failed or outcome.exit_status != 0
    if failed:
        raise click.exceptions.Exit(int(ExitStatus.CASE_FAILED))


def _words(bench: tuple[str, ...], missing: bool) -> list[str]:
    return [*_ONLY_MISSING[:missing], *(word for regex in bench for word in ("--bench", regex))]


def _here(kernels: list[Kernel], jobs: int, config: Path, words: list[str]) -> Iterator[KernelRun]:
    from ebpf_overhead.asv import side_by_side

    releases = [each.release for each in kernels]
    if not releases:
        return iter(())

    def begin(release: str) -> None:
        say(f"Measuring on {release}")

    return side_by_side.measure(releases, jobs, config, _logs(config), words, begin)


def _on_cluster(
    kernels: list[Kernel], scheduler: str, config: Path, words: list[str]
) -> Iterator[KernelRun]:
    from ebpf_overhead.asv import cluster

    return cluster.measure(kernels, scheduler, config, _logs(config), words)


def _logs(config: Path) -> Path:
    return config.absolute().parent / ".asv" / "kernels" / "log"
