"""``ebpf-overhead impact``: what a whole tool costs the work beside it."""

from __future__ import annotations

import os
import random
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.durations import DurationType, ShareType
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import showing_turns
from ebpf_overhead.errors import BadUseError, ExitStatus, UnsupportedError
from ebpf_overhead.measure import machine_lock, noise
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.report.formats import to_json
from ebpf_overhead.report.metrics import of_impact
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.terminal import print_tables
from ebpf_overhead.tools.impact import segments, text
from ebpf_overhead.tools.impact.answer import ROUNDS_MIN
from ebpf_overhead.tools.impact.presence import Patience, Presence
from ebpf_overhead.tools.impact.record import make_record
from ebpf_overhead.tools.impact.rounds import ImpactQuestion
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.tools.impact.together import RoundOfAll, rounds_of_all
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.calling_threads import CallingThreads
from ebpf_overhead.workload.cgroup import inside
from ebpf_overhead.workload.workloads import WORKLOADS

_EXAMPLES = """
\b
Examples:
  ebpf-overhead impact -- opensnoop.bt
  ebpf-overhead impact --ready Attaching --budget 5% -- bpftrace mine.bt
  ebpf-overhead impact --tool opensnoop.bt --tool 'execsnoop.bt'
  ebpf-overhead impact --workload exec --workload tcp_connect -- ./agent
  ebpf-overhead impact --start 'systemctl start agent' --stop 'systemctl stop agent'

Exit status: 0 measured, and within the budget; 1 the tool failed, or is over the budget, or
perhaps; 2 bad use; 3 nothing can be measured here.
"""
_FORMATS: Mapping[str, Callable[[Record], str]] = {
    "markdown": text.markdown,
    "json": to_json,
    "openmetrics": of_impact,
}


@click.command(name="impact", epilog=_EXAMPLES)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]")
@click.option(
    "--tool",
    "tools",
    metavar="COMMAND",
    multiple=True,
    help="Another tool, in quotes; may be repeated.  All are measured alone and together.",
)
@click.option(
    "--cgroup",
    type=click.Path(path_type=Path),
    help="Run the workloads in this cgroup of version 2; the tools stay outside.",
)
@click.option("--start", metavar="COMMAND", help="Have a service manager start the tool by this.")
@click.option(
    "--stop",
    metavar="COMMAND",
    help="Have it stopped by this.  Begin while it is stopped; in the end it is stopped.",
)
@click.option(
    "--ready",
    metavar="REGEX",
    help="The tool is ready when a line that it writes matches this.  [default: when its BPF"
    " programs have been the same for half a second]",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=DurationType(),
    default="10s",
    help="How long it may take until it is ready.",
)
@options.workload(
    f"What to call; may be repeated.  [default: {', '.join(segments.DEFAULT)}]",
    multiple=True,
    type=options.WORKLOAD,
)
@click.option(
    "--rounds",
    "wanted",
    type=click.IntRange(ROUNDS_MIN),
    default=12,
    help="How often the tool is started.",
)
@click.option(
    "--segment",
    "segment_s",
    type=DurationType(),
    default="600ms",
    help="How long each quarter of a round is: off, on, on, off.",
)
@click.option(
    "--budget",
    type=ShareType(),
    help="Limit of what each workload may pay, as a share of its call: 5%; sets the exit status.",
)
@options.openmetrics
@options.cpu
@options.seed
@guest_options.kernel
@wait_option
@options.result("table", *_FORMATS)
def command(
    command: tuple[str, ...],
    tools: tuple[str, ...],
    cgroup: Path | None,
    start: str | None,
    stop: str | None,
    ready: str | None,
    timeout_s: float,
    workload: tuple[str, ...],
    wanted: int,
    segment_s: float,
    budget: float | None,
    openmetrics: Path | None,
    cpu: int | None,
    seed: int | None,
    kernel: str | None,
    output: Output,
) -> None:
    """Measure what a whole tool costs the work beside it, by switching it on and off.

    COMMAND is run without a shell, until it is stopped by SIGINT.  Its BPF programs are found by
    what its processes hold.
    """
    launch = _launch(command, tools, start, stop)
    # Without programs the budget would be that of nothing, unless it is known to be ready.
    needed = budget is not None and ready is None
    patience = Patience(timeout_s, _pattern(ready), needed=needed)
    if kernel is not None:
        _show(run_in_guest(kernel), openmetrics, output)
    Presence()  # whether programs can be listed
    generator = random.Random(seed)
    chosen = [WORKLOADS[name] for name in workload or segments.DEFAULT]
    with ExitStack() as stack:
        stack.enter_context(machine_lock.held())
        if cgroup is not None:
            home = stack.enter_context(inside(cgroup))
            launch = replace(launch, home=str(home))
        wanted_threads = clock.current().layout_sensitive
        threads = stack.enter_context(CallingThreads(generator, wanted_threads))
        show = stack.enter_context(showing_turns(wanted, "rounds"))
        where = choose_cpu(cpu)
        windows = segments.WorkloadTurns(chosen, where, generator)
        if not windows.calls:
            raise next(iter(windows.unsupported.values()), UnsupportedError("nothing to call"))
        question = ImpactQuestion(launch, windows, patience, wanted, segment_s)
        with noise.watched(where) as noticed:
            found = output.gather(rounds_of_all(question, threads, show))
    _require(found, output)
    unit, release = clock.current().unit, os.uname().release
    record = make_record(question, found, noticed, release, unit, budget)
    _show(record, openmetrics, output)


def _show(record: Record, openmetrics: Path | None, output: Output) -> NoReturn:
    options.export(openmetrics, lambda: of_impact(record))
    output.finish(record, _print, _FORMATS, _status)


def _launch(
    command: tuple[str, ...], tools: tuple[str, ...], start: str | None, stop: str | None
) -> ToolLaunch:
    if tools:
        if start or stop:
            raise BadUseError("both --tool and --start or --stop were given", "choose one")
        named = [*([command] if command else []), *(_words(each, "--tool") for each in tools)]
        if not all(words and words[0] for words in named):
            raise BadUseError("--tool is empty", "give a command")
        return ToolLaunch(named[0], beside=tuple(named[1:]))
    if command and (start or stop):
        raise BadUseError("both COMMAND and --start or --stop were given", "choose one")
    if bool(start) != bool(stop):
        raise BadUseError("--start and --stop belong together", "give both")
    if start and stop:
        launch = ToolLaunch(_words(start, "--start"), _words(stop, "--stop"))
        if launch.start and launch.stop:
            return launch
    elif command and command[0]:
        return ToolLaunch(command)
    raise BadUseError("no tool was given", "add -- COMMAND, or --start and --stop")


def _words(text: str, option: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadUseError(f"{option} cannot be read: {error}", "close its quotes") from error


def _pattern(ready: str | None) -> re.Pattern[str] | None:
    try:
        return None if ready is None else re.compile(ready)
    except re.error as error:
        raise BadUseError(f"--ready is no regular expression: {error}", "check it") from error


def _require(found: list[RoundOfAll], output: Output) -> None:
    """Raise what ended the run if there are too few rounds for an interval."""
    if len(found) < ROUNDS_MIN and output.cut_short is not None:
        raise output.cut_short


def _print(record: Record, console: Console) -> None:
    print_tables(text.tables(record), text.notes(record), console)


def _status(record: Record) -> ExitStatus:
    verdicts = {case["budget"]["verdict"] for case in record["cases"] if "budget" in case}
    return ExitStatus.CASE_FAILED if verdicts - {"yes"} else ExitStatus.MEASURED
