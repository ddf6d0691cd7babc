"""``ebpf-overhead attach-latency``: how long load, attach and detach take."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import machine, preflight
from ebpf_overhead.attach_latency import run
from ebpf_overhead.cases import Case
from ebpf_overhead.catalogue import STANDARD_PROGRAMS
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import attach_option, format_option, kernel_option, output_option
from ebpf_overhead.cli.output import check_folder, exit_status, print_table, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.phases import mark_started, spent
from ebpf_overhead.report import attach_latency as report
from ebpf_overhead.report.record import Record

_EXAMPLES = """
\b
Examples:
  ebpf-overhead attach-latency
  ebpf-overhead attach-latency --attach tracepoint --rounds 50
  ebpf-overhead attach-latency --kernel 6.12 --format json -o latency.json
  ebpf-overhead plot attach-latency latency.json -o latency.svg

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""

_TITLE = "median and longest gap between two calls meanwhile, in microseconds"


@click.command(name="attach-latency", epilog=_EXAMPLES)
@attach_option("all")
@click.option(
    "--program",
    type=click.Choice(STANDARD_PROGRAMS),
    default="simple",
    show_default=True,
    help="What is loaded.",
)
@click.option(
    "--rounds",
    type=click.IntRange(8, 10_000),
    default=15,
    show_default=True,
    help="How often each is loaded, attached and detached; fewer than 8 give no interval.",
)
@format_option("table", "json")
@kernel_option
@output_option
def command(
    attach: tuple[str, ...],
    program: str,
    rounds: int,
    format_name: str,
    kernel: str | None,
    output: Path | None,
) -> None:
    """Measure how long load, attach and detach take, and whether calls stall meanwhile.

    A thread on another CPU calls the target all the time.  The longest gap between two of its
    calls during an operation is compared with that of as long a time without one.
    """
    mark_started()
    check_folder(output)
    cases = run.choose(attach, program)
    record = _measure(cases, rounds) if kernel is None else run_in_guest(kernel)
    write_record(record, format_name, output, _print)
    raise click.exceptions.Exit(int(exit_status(record)))


def _measure(cases: list[Case], rounds: int) -> Record:
    preflight.check()
    with showing_cases(cases) as show:
        results = list(run.measure(cases, rounds, show))
    return report.make_latency_record(
        results, machine.describe().as_dict(), rounds, run.why_no_gaps(), spent()
    )


def _print(record: Record, console: Console) -> None:
    title = None if report.by_instructions(record) else _TITLE
    print_table(console, [report.headings(record), *report.rows(record)], title)
    if record["no_gaps"]:
        console.print(f"gaps between calls not seen: {record['no_gaps']}", markup=False)
    for why in report.not_measured(record):
        console.print(why, markup=False)
