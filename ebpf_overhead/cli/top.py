"""``ebpf-overhead top``: what the BPF programs that are loaded on this machine cost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ebpf_overhead import clock
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.options import format_option
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.loaded.dispatch import DispatchCosts
from ebpf_overhead.loaded.monitor import watch_programs
from ebpf_overhead.loaded.record import make_record
from ebpf_overhead.loaded.text import Frame, render
from ebpf_overhead.loaded.usage import Picture
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers.waiting import Watch

_EXAMPLES = """
\b
Examples:
  ebpf-overhead top                          live, until Ctrl-C
  ebpf-overhead top --once --interval 10s    one table, of ten seconds
  ebpf-overhead top --duration 1m --format json | jq .core_share

Exit status: 0 watched, 2 bad use, 3 programs cannot be listed here, or rights are missing.
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
    show_default=True,
    help="Time between two looks.",
)
@click.option("--once", is_flag=True, help="Look for one interval, print, and end.")
@click.option(
    "-d",
    "--duration",
    "duration_s",
    type=DurationType(),
    help="How long to watch.  [default: until Ctrl-C]",
)
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
@format_option("text", "json", help_text="How to print; JSON is one line a look.")
def command(
    interval_s: float,
    once: bool,
    duration_s: float | None,
    rows: int | None,
    measuring: bool,
    format_name: str,
) -> None:
    """Show what the BPF programs that are loaded on this machine cost, dearest first.

    That is the time that the kernel's statistics report, and the way to the program, which
    they leave out.  The statistics are on only while this runs.
    """
    if once and duration_s is not None:
        raise BadUseError("both --once and --duration were given", "choose one")
    live = format_name == "text" and not once and sys.stdout.isatty()
    showing = _live(rows) if live else _printing(format_name, rows)
    watch = Watch(interval_s if once else duration_s)
    with showing as (show, say):
        costs = DispatchCosts(Store(), say, measuring)
        for seen in watch_programs(costs, watch, interval_s):
            show(seen)


@contextmanager
def _live(rows: int | None) -> Iterator[tuple[Show, Callable[[str], None]]]:
    """Show one picture in the place of the other, on a screen of its own."""
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(seen: Picture) -> None:
            wanted = rows or max(console.height - _OTHER_ROWS, 1)
            frame = Frame(console.width, wanted)
            live.update(render(seen, clock.current().unit, frame), refresh=True)

        def say(line: str) -> None:
            live.update(Text(line), refresh=True)

        say("Looking")
        yield show, say


@contextmanager
def _printing(format_name: str, rows: int | None) -> Iterator[tuple[Show, Callable[[str], None]]]:
    """Print one picture under the other."""
    unit, console = clock.current().unit, Console()

    def show(seen: Picture) -> None:
        if format_name == "json":
            click.echo(json.dumps(make_record(seen, unit, os.uname().release)))
        else:
            console.print(render(seen, unit, Frame(console.width, rows or len(seen.usages))))

    yield show, lambda line: click.echo(line, err=True)
