"""``ebpf-overhead funclatency``: how long a function's calls take, and how many there are."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from ebpf_overhead import clock, preflight
from ebpf_overhead.cli.options import filter_options, format_option
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.observe import observe
from ebpf_overhead.latency.record import make_record
from ebpf_overhead.latency.text import lines
from ebpf_overhead.latency.ways import KINDS
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.waiting import Watch

_EXAMPLES = """
\b
Examples:
  ebpf-overhead funclatency vfs_read                  a kernel function, until Ctrl-C
  ebpf-overhead funclatency syscall:openat -u -d 10   a system call, 10 s, in usecs
  ebpf-overhead funclatency c:malloc -p 1234          a function of a library, one process
  ebpf-overhead funclatency tracepoint:irq:softirq_entry,softirq_exit
  ebpf-overhead funclatency vfs_write --linear 100 --comm postgres --correct

Exit status: 0 calls were seen, 2 bad use, 3 none were seen or nothing can be traced.
"""


@click.command(name="funclatency", epilog=_EXAMPLES)
@click.argument("target")
@filter_options
@click.option("-u", "--microseconds", is_flag=True, help="Histogram in microseconds.")
@click.option("-m", "--milliseconds", is_flag=True, help="Histogram in milliseconds.")
@click.option(
    "--linear",
    type=click.IntRange(1),
    metavar="WIDTH",
    help="Linear histogram, rows this many units wide.",
)
@click.option(
    "-d", "--duration", "duration_s", type=click.FloatRange(0.01), help="Trace for so many seconds."
)
@click.option(
    "-i",
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1),
    help="Print every so many seconds.",
)
@click.option("-T", "--timestamp", is_flag=True, help="Print the time with each histogram.")
@click.option("--via", type=click.Choice(KINDS), help="Way in.  [default: the first that works]")
@click.option("--correct", is_flag=True, help="Take the tracer's own cost out of the average.")
@format_option("text", "json")
def command(
    target: str,
    pid: int | None,
    cgroup: Path | None,
    comm: str | None,
    microseconds: bool,
    milliseconds: bool,
    linear: int | None,
    duration_s: float | None,
    interval_s: float | None,
    timestamp: bool,
    via: str | None,
    correct: bool,
    format_name: str,
) -> None:
    """Show how long calls of TARGET take, as a histogram, and how many there are.

    TARGET is a kernel function, syscall:NAME, FILE:FUNCTION of a program or library, or a
    pair tracepoint:CATEGORY:ENTRY,EXIT.  It traces until Ctrl-C unless told how long.
    """
    filters = Filters(pid, cgroup, comm)
    scale = _scale(microseconds, milliseconds, linear)
    preflight.check()
    watch = Watch(duration_s, pid)
    calls = 0
    for seen in observe(target, filters, scale, watch, via, interval_s, _say):
        calls += seen.seen.calls
        if format_name == "json":
            click.echo(json.dumps(make_record(seen, clock.current().unit)))
            continue
        if timestamp:
            click.echo(time.strftime("\n%H:%M:%S"))
        for line in lines(seen, clock.current().unit, correct):
            click.echo(line)
    if watch.ended_by == "exit":
        click.echo(f"process {pid} ended", err=True)
    status = ExitStatus.MEASURED if calls else ExitStatus.NOTHING_MEASURABLE
    raise click.exceptions.Exit(int(status))


def _scale(microseconds: bool, milliseconds: bool, linear: int | None) -> Scale:
    if microseconds and milliseconds:
        raise BadUseError("both -u and -m were given", "choose one")
    if microseconds:
        return Scale("usecs", 1_000, linear)
    if milliseconds:
        return Scale("msecs", 1_000_000, linear)
    return Scale("nsecs" if clock.current().unit == "ns" else "instructions", 1, linear)


def _say(line: str) -> None:
    click.echo(line, err=True)
