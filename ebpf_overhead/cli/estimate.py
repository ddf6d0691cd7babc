"""``ebpf-overhead estimate``: what a probe would cost here, from how often its target runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import clock, preflight
from ebpf_overhead.cases import ATTACH_TYPES
from ebpf_overhead.cli.durations import DurationType, ShareType
from ebpf_overhead.cli.options import export, filter_options, format_option, openmetrics_option
from ebpf_overhead.cli.progress import showing_work
from ebpf_overhead.errors import BadUseError, ExitStatus, UnsupportedError
from ebpf_overhead.estimate.answer import Estimate
from ebpf_overhead.estimate.costs import Costs
from ebpf_overhead.estimate.places import Place, places_of
from ebpf_overhead.estimate.record import make_record
from ebpf_overhead.estimate.run import Question, estimate
from ebpf_overhead.estimate.text import print_estimate
from ebpf_overhead.report.metrics import of_estimate
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers.filters import Filters

_EXAMPLES = """
\b
Examples:
  ebpf-overhead estimate vfs_read --attach kprobe
  ebpf-overhead estimate syscall:openat --program complex --duration 10s --budget 1%
  ebpf-overhead estimate 'tcp_*' --top 20
  ebpf-overhead estimate tracepoint:sched:sched_switch kprobe:tcp_connect uprobe:c:malloc
  ebpf-overhead estimate --file points.txt --program probe.c --pid 1234 --format json

Exit status: 0 estimated, and within the budget; 1 over the budget, or perhaps; 2 bad use;
3 nothing can be estimated: the target never ran, or nothing can be hooked.
"""


@click.command(name="estimate", epilog=_EXAMPLES)
@click.argument("target", nargs=-1)
@click.option("--function", "functions", multiple=True, help="Kernel function, or a glob of them.")
@click.option(
    "--file",
    "list_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a target a line; # begins a comment.",
)
@click.option(
    "--attach",
    type=click.Choice(list(ATTACH_TYPES)),
    help="How the probe would be attached.  [default: as named, else the first that serves]",
)
@click.option(
    "--program",
    default="simple",
    show_default=True,
    metavar="NAME|FILE.c",
    help="What the probe would do: a program of measure, or a C source of your own.",
)
@click.option(
    "-d",
    "--duration",
    "duration_s",
    type=DurationType(),
    default="10s",
    show_default=True,
    help="How long to count.",
)
@filter_options
@click.option(
    "--budget", type=ShareType(), help="Limit, as a share of one core: 1%; sets the exit status."
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Places listed.")
@click.option(
    "--max-targets",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="How many functions a glob may match.",
)
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Record of measure --format json to take overheads from.",
)
@click.option("--latency/--no-latency", default=True, help="Time the target's own calls, too.")
@format_option("text", "json")
@openmetrics_option
def command(
    target: tuple[str, ...],
    functions: tuple[str, ...],
    list_file: Path | None,
    attach: str | None,
    program: str,
    duration_s: float,
    pid: int | None,
    cgroup: Path | None,
    comm: str | None,
    budget: float | None,
    top: int,
    max_targets: int,
    results: Path | None,
    latency: bool,
    format_name: str,
    openmetrics: Path | None,
) -> None:
    """Say what a probe on TARGET would cost here, before it is attached.

    TARGET is a kernel function or a glob, syscall:NAME, FILE:FUNCTION, or an attach point as
    other tools name it: kprobe:NAME, tracepoint:CATEGORY:EVENT, uprobe:FILE:FUNCTION.
    """
    preflight.check()
    named = [*target, *(f"function:{name}" for name in functions), *_lines(list_file)]
    places = _places(named, max_targets)
    filters = Filters(pid, cgroup, comm)
    question = Question(places, attach, program, filters, duration_s, budget, latency)
    with showing_work() as work:
        costs = Costs(Store(), results, work.say, work.done)
        answer = estimate(question, costs, work.say, lambda s: work.done(s / duration_s))
    record = make_record(answer, clock.current().unit, os.uname().release)
    export(openmetrics, lambda: of_estimate(record))
    if format_name == "json":
        click.echo(json.dumps(record))
    status = _status(answer)
    if format_name == "text":
        print_estimate(answer, clock.current().unit, Console(), top)
    raise click.exceptions.Exit(int(status))


def _places(named: list[str], max_targets: int) -> tuple[Place, ...]:
    if not named:
        raise BadUseError("no target was named", "name one: ebpf-overhead estimate vfs_read")
    places = [place for text in named for place in places_of(text, max_targets)]
    return tuple(dict.fromkeys(places))


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def _status(answer: Estimate) -> ExitStatus:
    for cost in answer.costs:
        if cost.overhead is None:
            others = [each.cost.attach for each in answer.alternatives if each.share is not None]
            raise UnsupportedError(
                f"{cost.attach} cannot be estimated here: {cost.reason}",
                f"--attach {others[0]} could serve" if others else "",
            )
    if not answer.mean:
        raise UnsupportedError(
            f"none of the targets ran in {answer.seconds:.1f} s, so nothing can be said",
            "count longer, or while there is load",
        )
    if answer.budget is None or answer.budget.verdict == "yes":
        return ExitStatus.MEASURED
    return ExitStatus.CASE_FAILED
