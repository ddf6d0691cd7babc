"""``ebpf-overhead study attach-latency``: how long load, attach and detach take."""

from __future__ import annotations

import re

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.phases import mark_started
from ebpf_overhead.programs.catalogue import STANDARD_PROGRAMS
from ebpf_overhead.studies.attach_latency import many_run, run
from ebpf_overhead.studies.attach_latency.rows import make_record
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study attach-latency
  ebpf-overhead study attach-latency --attach tracepoint --rounds 50
  ebpf-overhead study attach-latency --count 1,10,100,1000 --attach kprobes
  ebpf-overhead study attach-latency --kernel 6.12 --format json -o latency.json
  ebpf-overhead plot attach-latency latency.json -o latency.svg
"""


# Of a case with --count, if --time does not say otherwise.
_TIME_S = 10.0
_COUNT_MAX = 100_000


def _counts(
    context: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[int, ...]:
    """Return the numbers that have commas between them."""
    words = [each for value in values for each in value.split(",")]
    counts = tuple(int(each) for each in words if re.fullmatch("[0-9]{1,6}", each))
    if len(counts) < len(words) or not all(1 <= each <= _COUNT_MAX for each in counts):
        raise click.BadParameter(
            f"{','.join(values)!r}: give numbers from 1 to {_COUNT_MAX:,}, like 1,10,100"
        )
    return counts


@click.command(name="attach-latency", epilog=_EXAMPLES + options.STATUS)
@options.attach("all")
@click.option(
    "--program",
    type=NameType("program", STANDARD_PROGRAMS),
    default="simple",
    help="What is loaded.",
)
@click.option(
    "--count",
    "counts",
    multiple=True,
    callback=_counts,
    metavar="N[,N...]",
    help="Attach to so many points at once, each by a hook of its own, and by one link where the"
    " kernel has such.",
)
@options.time("case", _TIME_S)
@click.option(
    "--rounds",
    type=click.IntRange(8, 10_000),
    default=15,
    help="How often each is loaded, attached and detached; fewer than 8 give no interval.",
)
@guest_options.kernel
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    attach: tuple[str, ...],
    program: str,
    counts: tuple[int, ...],
    time_s: float | None,
    rounds: int,
    kernel: str | None,
    output: Output,
) -> None:
    """Measure how long load, attach and detach take, and whether calls stall meanwhile.

    A thread on another CPU calls the workload all the time.  The longest gap between two of its
    calls during an operation is compared with that of as long a time without one.

    With --count the program is attached to many points of one kind.  To detach it may take
    minutes: a case ends when its time is over, after two rounds at the earliest.
    """
    mark_started()
    if time_s is not None and not counts:
        raise click.UsageError("--time is for --count: without it there are --rounds")
    cases = run.choose(attach, program)
    if kernel is not None:
        record = run_in_guest(kernel)
    elif not counts:
        record = make_record(measured(output, cases, run.measure, rounds), rounds)
    else:
        many = many_run.choose(cases, counts)
        share_s = options.share_of_time(time_s, len(many), _TIME_S)
        found = measured(output, many, many_run.measure, rounds, share_s)
        record = make_record(found, rounds)
    output.finish(record, print_tables, TABLE_FORMATS)
