"""``ebpf-overhead validate``: whether what `estimate` predicts comes true."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import clock, machine, preflight
from ebpf_overhead.cases import Case, select
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import attach_option, format_option, kernel_option, output_option
from ebpf_overhead.cli.output import check_folder, print_table, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.report.record import Record
from ebpf_overhead.validation import run
from ebpf_overhead.validation.load import Pace
from ebpf_overhead.validation.record import make_record
from ebpf_overhead.validation.text import HEADINGS, TITLE, reasons, rows, summary

_EXAMPLES = """
\b
Examples:
  ebpf-overhead validate
  ebpf-overhead validate --attach uprobe --program complex --rate 50000 --time 10s
  ebpf-overhead validate --target getpid --batch 1 --rate 1000 --truth calls   # cold caches
  ebpf-overhead validate --attach all --kernel 6.12

Exit status: 0 the predictions came true, 1 one did not or failed, 2 bad use, 3 nothing here can
be measured.
"""

# Of the table where there is no terminal to fit into.
_WIDTH = 110


@click.command(name="validate", epilog=_EXAMPLES)
@attach_option(", ".join(run.ATTACH_TYPES))
@click.option(
    "--program",
    multiple=True,
    default=("simple",),
    show_default=True,
    metavar="NAME|FILE.c",
    help="Program; may be repeated.",
)
@click.option(
    "--target",
    multiple=True,
    type=click.Choice(run.TARGETS),
    metavar="NAME",
    help="What the load calls; may be repeated.  [default: all that the attach types are for]",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 10_000_000),
    default=Pace.calls_per_s,
    show_default=True,
    help="Calls a second.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000_000),
    default=Pace.batch,
    show_default=True,
    help="Calls one directly after the other, before the load sleeps again.",
)
@click.option(
    "--count",
    "count_s",
    type=DurationType(),
    default="1s",
    show_default=True,
    help="How long estimate counts.",
)
@click.option(
    "--time",
    "time_s",
    type=DurationType(),
    default="3s",
    show_default=True,
    help="How long to sample the truth of each case at most.",
)
@click.option(
    "--truth",
    type=click.Choice(["cpu", "calls"]),
    default="cpu",
    show_default=True,
    help="What the truth is taken from: the load's CPU time, or the time of its calls alone, which"
    " shows small differences between long sleeps.",
)
@format_option("table", "json")
@kernel_option
@output_option
def command(
    attach: tuple[str, ...],
    program: tuple[str, ...],
    target: tuple[str, ...],
    rate: int,
    batch: int,
    count_s: float,
    time_s: float,
    truth: str,
    format_name: str,
    kernel: str | None,
    output: Path | None,
) -> None:
    """Check predictions of `estimate` against what the probes then do.

    A process calls the target at a known rate.  `estimate` predicts what a probe would take of
    a core; then the probe is attached, and the load's CPU time says what it takes.
    """
    check_folder(output)
    cases = select(attach or run.ATTACH_TYPES, program, target or run.TARGETS)
    if kernel is None:
        record = _validate(cases, run.Options(Pace(rate, batch), count_s, time_s, truth))
    else:
        record = run_in_guest(kernel, program)
    write_record(record, format_name, output, _print)
    raise click.exceptions.Exit(int(_status(record)))


def _validate(cases: list[Case], options: run.Options) -> Record:
    preflight.check()
    with showing_cases(cases) as show:
        found = list(run.validate(cases, options, show))
    return make_record(found, machine.describe().as_dict(), options, clock.current().unit)


def _print(record: Record, console: Console) -> None:
    if not console.is_terminal:
        console.width = _WIDTH
    print_table(console, [HEADINGS, *rows(record)], TITLE.format(unit=record["unit"]))
    for line in reasons(record):
        console.print(line, markup=False, style="dim", soft_wrap=True)
    console.print(summary(record), highlight=False, soft_wrap=True)


def _status(record: Record) -> ExitStatus:
    statuses = {case["status"] for case in record["cases"]}
    verdicts = {case.get("verdict") for case in record["cases"]}
    if "failed" in statuses or "off" in verdicts:
        return ExitStatus.CASE_FAILED
    return ExitStatus.MEASURED if "measured" in statuses else ExitStatus.NOTHING_MEASURABLE
