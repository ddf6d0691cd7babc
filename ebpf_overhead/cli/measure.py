"""``ebpf-overhead measure``: the tables of what probes cost on the running kernel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ebpf_overhead import clock, machine, preflight
from ebpf_overhead.cases import TARGETS, Case, select
from ebpf_overhead.catalogue import PROGRAM_GROUPS
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import (
    attach_option,
    cpu_option,
    export,
    format_option,
    kernel_option,
    openmetrics_option,
    output_option,
    precision_option,
    seed_option,
    time_option,
)
from ebpf_overhead.cli.output import check_folder, exit_status, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.disturbance import disturbed, with_better
from ebpf_overhead.measure import Options, Result, measure_cases
from ebpf_overhead.phases import mark_started, spent
from ebpf_overhead.report.formats import FORMATS
from ebpf_overhead.report.metrics import of_measure
from ebpf_overhead.report.record import Record, make_record
from ebpf_overhead.report.terminal import print_tables
from ebpf_overhead.sampling import Precision, choose_cpu

_EXAMPLES = """
\b
Examples:
  ebpf-overhead measure
  ebpf-overhead measure --attach tp_btf --program simple --precision 0.5ns --time 5
  ebpf-overhead measure --program mine.c --verifier-log
  ebpf-overhead measure --target read --target sendto
  ebpf-overhead measure --attach all --kernel 6.12
  ebpf-overhead measure --program empty --bystander
  ebpf-overhead measure --format json -o result.json
  ebpf-overhead measure --format gobench > after.txt && benchstat before.txt after.txt

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""


@click.command(name="measure", epilog=_EXAMPLES)
@attach_option("standard")
@click.option(
    "--program",
    multiple=True,
    metavar="NAME|GROUP|FILE.c",
    help="Program, or a C source of your own (docs/programs.md), or one of the groups"
    f" {', '.join(PROGRAM_GROUPS)}; may be repeated.  [default: empty, simple, complex]",
)
@click.option(
    "--target",
    multiple=True,
    type=click.Choice(list(TARGETS)),
    metavar="NAME",
    help="What is called (docs/targets.md); may be repeated.  [default: getpid, and the"
    " functions that uprobes are for]",
)
@click.option(
    "--beside",
    is_flag=True,
    help="Measure what a second program costs: the same one is attached there all the time.",
)
@click.option(
    "--bpf-stats",
    is_flag=True,
    help="Measure with the kernel's run statistics on (kernel.bpf_stats_enabled), and show what"
    " they say (docs/bpf-stats.md).",
)
@click.option(
    "--bystander",
    is_flag=True,
    help="Measure, too, what other system calls and other processes pay for each probe, and what"
    " is left when it is gone (docs/bystanders.md).",
)
@click.option(
    "--verifier-log",
    is_flag=True,
    help="Show, on standard error, all that the kernel's verifier writes about each program.",
)
@precision_option
@time_option(
    Options.time_s, "Stop a case after this many seconds of sampling, whatever its precision."
)
@cpu_option
@seed_option
@format_option("table", *FORMATS)
@kernel_option
@output_option
@openmetrics_option
def command(
    attach: tuple[str, ...],
    program: tuple[str, ...],
    target: tuple[str, ...],
    beside: bool,
    bpf_stats: bool,
    bystander: bool,
    verifier_log: bool,
    precision: Precision,
    time_s: float,
    cpu: int | None,
    seed: int | None,
    format_name: str,
    kernel: str | None,
    output: Path | None,
    openmetrics: Path | None,
) -> None:
    """Measure what BPF probes cost on the running kernel.

    Every case is a target, the system call getpid by default, with one program at one attach
    type, compared in pairs of windows with the same call unprobed.
    """
    mark_started()
    check_folder(output)
    cases = select(attach, program, target)
    if kernel is None:
        options = Options(
            precision,
            time_s,
            choose_cpu(cpu),
            seed,
            verifier_log=verifier_log,
            beside=beside,
            bpf_stats=bpf_stats,
            bystander=bystander,
        )
        record = _measure_here(cases, options)
    else:
        record = run_in_guest(kernel, program)
    _show_logs(record)
    write_record(record, format_name, output, print_tables, FORMATS)
    export(openmetrics, lambda: of_measure(record))
    raise click.exceptions.Exit(int(exit_status(record)))


def _measure_here(cases: list[Case], options: Options) -> Record:
    preflight.check()
    results = measure_with_progress(cases, options)
    unit = clock.current().unit
    return make_record(results, machine.describe().as_dict(), options, spent(), unit)


def measure_with_progress(cases: Iterable[Case], options: Options) -> list[Result]:
    """Measure cases, showing on the terminal what is measured and how long it still takes.

    Those for which the machine was disturbed are measured once more.
    """
    cases = list(cases)
    with showing_cases(cases) as show:
        results = list(measure_cases(cases, options, show))
    # With bystanders a case is several results, each of its own calls.
    places = [] if options.bystander else disturbed(results)
    if not places:
        return results
    cases = [results[place].case for place in places]
    with showing_cases(cases) as show:
        again = list(measure_cases(cases, options, show))
    return with_better(results, zip(places, again, strict=True))


def _show_logs(record: Record) -> None:
    for case in record["cases"]:
        if "verifier_log" in case:
            name = f"{case['target']}/{case['attach']}/{case['program']}"
            click.echo(f"--- verifier log of {name} ---\n{case['verifier_log']}", err=True)
