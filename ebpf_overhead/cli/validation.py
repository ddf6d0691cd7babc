"""``ebpf-overhead study validation``: whether what `estimate` predicts comes true."""

from __future__ import annotations

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables
from ebpf_overhead.studies.validation import run
from ebpf_overhead.studies.validation.rows import make_record
from ebpf_overhead.workload.paced_load import Pace

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study validation
  ebpf-overhead study validation --attach uprobe --program complex --rate 50000 --time 10s
  ebpf-overhead study validation --batch 1 --rate 1000 --truth calls   # cold caches
  ebpf-overhead study validation --attach all --kernel 6.12

Exit status: 0 the predictions came true, 1 one did not or failed, 2 bad use, 3 nothing here can
be measured.
"""

# Of sampling the truth, for each case.
_TIME_S = 3.0


@click.command(name="validation", epilog=_EXAMPLES)
@options.attach(", ".join(run.ATTACH_TYPES))
@click.option(
    "--program",
    multiple=True,
    default=("simple",),
    type=options.PROGRAM_OR_FILE,
    help="Program; may be repeated.",
)
@options.workload(
    "What the load calls; may be repeated.  [default: all that the attach types are for]",
    multiple=True,
    type=NameType("workload", run.TARGETS),
)
@click.option(
    "--rate",
    type=click.IntRange(1, 10_000_000),
    default=Pace.calls_per_s,
    help="Calls per second.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000_000),
    default=Pace.batch,
    help="Calls one directly after the other, before the load sleeps again.",
)
@click.option(
    "--count",
    "count_s",
    type=DurationType(),
    default="1s",
    help="How long estimate counts.",
)
@options.time("case", _TIME_S)
@click.option(
    "--truth",
    type=NameType("truth", ["cpu", "calls"]),
    default="cpu",
    help="What the truth is taken from: the load's CPU time, or the time of its calls alone, which"
    " shows small differences between long sleeps.",
)
@guest_options.kernel
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    attach: tuple[str, ...],
    program: tuple[str, ...],
    workload: tuple[str, ...],
    rate: int,
    batch: int,
    count_s: float,
    time_s: float | None,
    truth: str,
    kernel: str | None,
    output: Output,
) -> None:
    """Check predictions of `estimate` against what the probes then do.

    A process calls the workload at a known rate.  `estimate` predicts what a probe would take of
    a core; then the probe is attached, and the load's CPU time says what it takes.
    """
    cases = select(attach or run.ATTACH_TYPES, program, workload or run.TARGETS)
    if kernel is None:
        share_s = options.share_of_time(time_s, len(cases), _TIME_S)
        how = run.Options(Pace(rate, batch), count_s, share_s, truth)
        record = make_record(measured(output, cases, run.validate, how), how)
    else:
        record = run_in_guest(kernel, program)
    output.finish(record, print_tables, TABLE_FORMATS, status=_status)


def _status(record: Record) -> ExitStatus:
    statuses = {case["status"] for case in record["cases"]}
    verdicts = {case.get("verdict") for case in record["cases"]}
    if "failed" in statuses or "off" in verdicts:
        return ExitStatus.CASE_FAILED
    return ExitStatus.MEASURED if "measured" in statuses else ExitStatus.NOTHING_MEASURABLE
