"""``ebpf-overhead study attach-latency``: how long load, attach and detach take."""

from __future__ import annotations

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.phases import mark_started
from ebpf_overhead.programs.catalogue import STANDARD_PROGRAMS
from ebpf_overhead.studies.attach_latency import run
from ebpf_overhead.studies.attach_latency.rows import make_record
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study attach-latency
  ebpf-overhead study attach-latency --attach tracepoint --rounds 50
  ebpf-overhead study attach-latency --kernel 6.12 --format json -o latency.json
  ebpf-overhead plot attach-latency latency.json -o latency.svg
"""


@click.command(name="attach-latency", epilog=_EXAMPLES + options.STATUS)
@options.attach("all")
@click.option(
    "--program",
    type=NameType("program", STANDARD_PROGRAMS),
    default="simple",
    help="What is loaded.",
)
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
    rounds: int,
    kernel: str | None,
    output: Output,
) -> None:
    """Measure how long load, attach and detach take, and whether calls stall meanwhile.

    A thread on another CPU calls the workload all the time.  The longest gap between two of its
    calls during an operation is compared with that of as long a time without one.
    """
    mark_started()
    cases = run.choose(attach, program)
    if kernel is None:
        record = make_record(measured(output, cases, run.measure, rounds), rounds)
    else:
        record = run_in_guest(kernel)
    output.finish(record, print_tables, TABLE_FORMATS)
