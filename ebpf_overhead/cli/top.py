"""``ebpf-overhead top``: what the BPF programs that are loaded on this machine cost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ebpf_overhead.cli import options, progress
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.listening import ListenType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.report.console import PlainConsole
from ebpf_overhead.report.metrics import of_top
from ebpf_overhead.report.metrics_server import MetricsServer
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.top.callers import CallerCounts
from ebpf_overhead.tools.top.dispatch import DispatchCosts
from ebpf_overhead.tools.top.monitor import watch_programs
from ebpf_overhead.tools.top.record import make_record
from ebpf_overhead.tools.top.text import Room, render
from ebpf_overhead.tools.top.usage import Picture
from ebpf_overhead.tools.tracers.waiting import Watch
from ebpf_overhead.workload import clock

_EXAMPLES = """
\b
Examples:
  ebpf-overhead top                          live, until Ctrl-C
  ebpf-overhead top --once --interval 10s    one table, of ten seconds
  ebpf-overhead top --duration 1m --format json | jq .core_share
  ebpf-overhead top --listen 127.0.0.1:9436  for Prometheus

Exit status: 0 watched, 2 bad use, 3 programs cannot be listed here, or privileges are missing.
"""

# Rows of a terminal that are not for programs: headline, heading, notes.
_OTHER_ROWS = 10

Show = Callable[[Picture], None]


@click.command(name="top", epilog=_EXAMPLES)
@click.option(
    "-i",
    "--interval",
    "interval_s",
    type=DurationType(),
    default="2s",
    help="Time between two looks.",
)
@click.option("--once", is_flag=True, help="Look for one interval, print, and end.")
@options.duration("How long to watch.  [default: until Ctrl-C]", None)
@click.option(
    "--top",
    "rows",
    type=click.IntRange(1),
    help="Programs listed.  [default: as many as the terminal has room for, else all]",
)
@click.option(
    "--measure/--no-measure",
    "measuring",
    default=True,
    help="Measure the dispatch of attach types for which none is stored, 2 s each, once.",
)
@click.option(
    "--callers",
    "counting",
    is_flag=True,
    help="Say which processes and cgroups run the programs.  Costs: a probe beside each hook.",
)
@options.openmetrics
@click.option(
    "--listen",
    type=ListenType(),
    help="Serve the newest look to Prometheus here, by HTTP.",
)
@options.result(help_text="How to print; JSON is one line per look.")
def command(
    interval_s: float,
    once: bool,
    duration_s: float | None,
    rows: int | None,
    measuring: bool,
    counting: bool,
    openmetrics: Path | None,
    listen: tuple[str, int] | None,
    output: Output,
) -> None:
    """Show what the BPF programs that are loaded on this machine cost, the most expensive first.

    That is the time that the kernel's statistics report, and the way to the program, which
    they leave out.  The statistics are on only while this runs.
    """
    if once and duration_s is not None:
        raise BadUseError("both --once and --duration were given", "choose one")
    live = output.on_terminal and output.format_name == "table" and not once
    showing = _live(rows) if live else _printing(output, rows)
    watch = Watch(interval_s if once else duration_s)
    with ExitStack() as stack:
        server = stack.enter_context(MetricsServer(*listen)) if listen else None
        if server is not None:
            progress.say(f"Serving {server.url}")
        show, say = stack.enter_context(showing)
        costs = DispatchCosts(Store(), say, measuring)
        callers = stack.enter_context(CallerCounts()) if counting else None
        for seen in watch_programs(costs, watch, interval_s, callers):
            show(seen)
            if server is not None:
                server.newest = of_top(_record(seen))
            options.export(openmetrics, partial(_to_openmetrics, seen))


def _to_openmetrics(seen: Picture) -> str:
    return of_top(_record(seen)).text()


def _record(seen: Picture) -> Record:
    return make_record(seen, clock.current().unit, os.uname().release)


@contextmanager
def _live(rows: int | None) -> Iterator[tuple[Show, Callable[[str], None]]]:
    """Show one picture in the place of the other, on a screen of its own."""
    console = PlainConsole()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(seen: Picture) -> None:
            wanted = rows or max(console.height - _OTHER_ROWS, 1)
            room = Room(console.width, wanted)
            live.update(render(seen, clock.current().unit, room), refresh=True)

        def say(line: str) -> None:
            live.update(Text(line), refresh=True)

        say("Looking")
        yield show, say


@contextmanager
def _printing(output: Output, rows: int | None) -> Iterator[tuple[Show, Callable[[str], None]]]:
    """Print one picture under the other."""
    unit = clock.current().unit

    def to_json(seen: Picture) -> str:
        return json.dumps(_record(seen)) + "\n"

    def show(seen: Picture, console: Console) -> None:
        console.print(render(seen, unit, Room(console.width, rows or len(seen.usages))))

    yield (
        lambda seen: output.show(seen, show, {"json": to_json}),
        progress.say,
    )
