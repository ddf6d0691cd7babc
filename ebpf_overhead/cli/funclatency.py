"""``ebpf-overhead funclatency``: how long a function's calls take, and how many there are."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead.cli import options
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.names import POINT, NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import say
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.measure import preflight
from ebpf_overhead.report.console import print_line
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.hook_pairs import KINDS
from ebpf_overhead.tools.funclatency.observe import observe
from ebpf_overhead.tools.funclatency.record import Observation, make_record
from ebpf_overhead.tools.funclatency.text import lines
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.tools.tracers.waiting import Watch
from ebpf_overhead.workload import clock

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
@click.argument("target", type=POINT)
@options.filters
@click.option("-u", "--microseconds", is_flag=True, help="Histogram in microseconds.")
@click.option("-m", "--milliseconds", is_flag=True, help="Histogram in milliseconds.")
@click.option(
    "--linear",
    type=click.IntRange(1),
    metavar="WIDTH",
    help="Linear histogram, rows this many units wide.",
)
@options.duration("How long to trace.  [default: until Ctrl-C]", None)
@click.option(
    "-i",
    "--interval",
    "interval_s",
    type=DurationType(),
    help="Print a histogram this often: 10s.  [default: one, at the end]",
)
@click.option("-T", "--timestamp", is_flag=True, help="Print the time with each histogram.")
@click.option(
    "--via",
    type=NameType("pair of hooks", KINDS, metavar="NAME"),
    help="Pair of hooks to use.  [default: the first that works]",
)
@click.option("--correct", is_flag=True, help="Subtract the tracer's own cost from the average.")
@wait_option
@options.result()
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
    output: Output,
) -> None:
    """Show how long calls of POINT take, as a histogram, and how many there are.

    POINT is a kernel function, syscall:NAME, FILE:FUNCTION of a program or library, or a
    pair tracepoint:CATEGORY:ENTRY,EXIT.  It traces until Ctrl-C unless told how long.
    """
    filters = Filters(pid, cgroup, comm)
    scale = _scale(microseconds, milliseconds, linear)
    preflight.check()
    watch = Watch(duration_s, pid)
    unit = clock.current().unit
    calls = 0

    def to_json(seen: Observation) -> str:
        return json.dumps(make_record(seen, unit)) + "\n"

    def show(seen: Observation, console: Console) -> None:
        if timestamp:
            console.print(time.strftime("\n%H:%M:%S"))
        for line in lines(seen, unit, correct):
            print_line(console, line)

    for seen in observe(target, filters, scale, watch, via, interval_s, say):
        calls += seen.seen.calls
        output.show(seen, show, {"json": to_json})
    if watch.ended_by == "exit":
        click.echo(f"process {pid} ended", err=True)
    output.end(ExitStatus.MEASURED if calls else ExitStatus.NOTHING_MEASURABLE)


def _scale(microseconds: bool, milliseconds: bool, linear: int | None) -> Scale:
    if microseconds and milliseconds:
        raise BadUseError("both -u and -m were given", "choose one")
    if microseconds:
        return Scale("usecs", 1_000, linear)
    if milliseconds:
        return Scale("msecs", 1_000_000, linear)
    return Scale("nsecs" if clock.current().unit == "ns" else "instructions", 1, linear)
