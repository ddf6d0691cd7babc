"""``ebpf-overhead estimate``: what a probe would cost here, before it is attached."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead.cli import options
from ebpf_overhead.cli.durations import RateType, ShareType
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.names import KERNEL, POINT
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import showing_steps, showing_work
from ebpf_overhead.errors import BadUseError, ExitStatus, UnsupportedError
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.reading import read_text
from ebpf_overhead.report.metrics import of_estimate
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.estimate.answer import Estimate
from ebpf_overhead.tools.estimate.costs import Costs, own_attach_type
from ebpf_overhead.tools.estimate.counting import ELSEWHERE
from ebpf_overhead.tools.estimate.given_rate import estimate_elsewhere, estimate_given
from ebpf_overhead.tools.estimate.places import Place, places_of
from ebpf_overhead.tools.estimate.record import make_record
from ebpf_overhead.tools.estimate.run import Question, estimate
from ebpf_overhead.tools.estimate.text import print_estimate
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload import clock

_LONGEST_LIST_BYTES = 1 << 20
_EXAMPLES = """
\b
Examples:
  ebpf-overhead estimate vfs_read --attach kprobe
  ebpf-overhead estimate syscall:openat --program complex --duration 10s --budget 1%
  ebpf-overhead estimate 'tcp_*' --top 20
  ebpf-overhead estimate tracepoint:sched:sched_switch kprobe:tcp_connect uprobe:c:malloc
  ebpf-overhead estimate vfs_read --attach kprobe --kernel 6.12 --rate 20000/s
  ebpf-overhead estimate --file points.txt --program probe.c --pid 1234 --format json

Exit status: 0 estimated, and within the budget; 1 over the budget, or perhaps; 2 bad use;
3 nothing can be estimated: the attach point never ran, or nothing can be hooked.
"""


@click.command(name="estimate", epilog=_EXAMPLES)
@click.argument("target", nargs=-1, type=POINT)
@click.option("--function", "functions", multiple=True, help="Kernel function, or a glob of them.")
@click.option(
    "--file",
    "list_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with one attach point per line; # begins a comment.",
)
@click.option(
    "--attach",
    type=options.ATTACH_TYPE,
    help="How the probe would be attached.  [default: as named, else the first that serves]",
)
@click.option(
    "--program",
    default="simple",
    type=options.PROGRAM_OR_FILE,
    help="What the probe would do: a program of measure, or a C source of your own.",
)
@options.duration("How long to count.", "10s")
@options.filters
@click.option(
    "--budget", type=ShareType(), help="Limit, as a share of one core: 1%; sets the exit status."
)
@click.option(
    "--rate",
    type=RateType(),
    metavar="N/s",
    help="How often the attach point runs: 20000/s, 20k/s. Nothing is counted.",
)
@click.option(
    "--kernel", type=KERNEL, help="Kernel that the probe would run on, measured in a guest."
)
@click.option("--top", type=click.IntRange(1), default=10, help="Attach points listed.")
@click.option(
    "--max-points",
    "--max-targets",
    "max_points",
    type=click.IntRange(1),
    default=200,
    help="How many functions a glob may match.",
)
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Record of measure --format json to take overheads from.",
)
@click.option(
    "--latency/--no-latency", default=True, help="Time the calls of the busiest attach point, too."
)
@wait_option
@options.result()
@options.openmetrics
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
    rate: float | None,
    kernel: str | None,
    top: int,
    max_points: int,
    results: Path | None,
    latency: bool,
    output: Output,
    openmetrics: Path | None,
) -> None:
    """Say what a probe on POINT would cost here, before it is attached.

    POINT is a kernel function or a glob, syscall:NAME, FILE:FUNCTION, or an attach point as
    other tools name it: kprobe:NAME, tracepoint:CATEGORY:EVENT, uprobe:FILE:FUNCTION.
    """
    if kernel is None:
        preflight.check()
    named = [*target, *(f"function:{name}" for name in functions), *_lines(list_file)]
    places = _places(named, max_points)
    filters = Filters(pid, cgroup, comm)
    own = None if attach or any(each.attach for each in places) else own_attach_type(program)
    question = Question(
        places, attach or own, program, filters, duration_s, budget, latency, alternatives=not own
    )
    answer = _answer(question, rate, kernel, results)
    unit = "instructions" if kernel else clock.current().unit
    record = make_record(answer, unit, os.uname().release)

    def show(record: Record, console: Console) -> None:
        _status(answer)  # without a price there is nothing to show
        print_estimate(answer, unit, console, top)

    output.deliver(record, show)
    options.export(openmetrics, lambda: of_estimate(record))
    output.end(_status(answer))


def _answer(
    question: Question, rate: float | None, kernel: str | None, results: Path | None
) -> Estimate:
    if kernel is not None and rate is None:
        raise BadUseError(
            f"what runs here does not run in a guest with {kernel}, so nothing can be counted",
            "give the rate: --rate 20000/s; without --kernel, estimate counts it here",
        )
    if rate is not None and question.filters.kinds:
        raise BadUseError(
            f"with --rate nothing is counted, so {', '.join(question.filters.kinds)} says nothing",
            "leave it out, or have the events counted: without --rate",
        )
    if kernel is not None and results is not None:
        raise BadUseError(
            "--results has costs of this kernel, and --kernel measures on another", "choose one"
        )
    if kernel is not None and rate is not None:
        with showing_steps() as step:
            return estimate_elsewhere(question, rate, kernel, step)
    with machine_lock.held(), showing_work() as work:
        costs = Costs(Store(), results, work.say, work.done)
        if rate is not None:
            return estimate_given(question, rate, costs, work.say)
        duration_s = question.duration_s or 1.0
        return estimate(question, costs, work.say, lambda s: work.done(s / duration_s))


def _places(named: list[str], max_points: int) -> tuple[Place, ...]:
    if not named:
        raise BadUseError("no attach point was named", "name one: ebpf-overhead estimate vfs_read")
    places = [place for text in named for place in places_of(text, max_points)]
    return tuple(dict.fromkeys(places))


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    text = read_text(path, limit_bytes=_LONGEST_LIST_BYTES, error=BadUseError)
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _status(answer: Estimate) -> ExitStatus:
    for cost in answer.costs:
        if cost.overhead is None:
            others = [each.cost.attach for each in answer.alternatives if each.share is not None]
            raise UnsupportedError(
                f"{cost.attach} cannot be estimated here: {cost.reason}",
                f"--attach {others[0]} could serve"
                if others
                else f"a guest may have it: {ELSEWHERE}",
            )
    if not answer.mean and not answer.compat_per_s:
        raise UnsupportedError(
            f"none of the attach points ran in {answer.seconds:.1f} s, so nothing can be said",
            "count longer, or while there is load",
        )
    if answer.budget is None or answer.budget.verdict == "yes":
        return ExitStatus.MEASURED
    return ExitStatus.CASE_FAILED
