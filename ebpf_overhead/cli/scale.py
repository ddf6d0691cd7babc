"""``ebpf-overhead scale``: what probes cost when many CPUs call at once."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import machine, preflight, scaling
from ebpf_overhead.cases import ATTACH_TYPES, GETPID
from ebpf_overhead.cli.options import format_option, output_option, seed_option, time_option
from ebpf_overhead.cli.output import check_folder, exit_status, print_table, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.measure import Options
from ebpf_overhead.phases import mark_started, spent
from ebpf_overhead.report.record import Record, why_not
from ebpf_overhead.report.scaling import HEADINGS, make_record, rows

_EXAMPLES = """
\b
Examples:
  ebpf-overhead scale
  ebpf-overhead scale --attach fentry --program array --program percpu_hash --cpus 2 --time 10
  ebpf-overhead scale --format json -o scaling.json && ebpf-overhead plot scaling scaling.json

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""


@click.command(name="scale", epilog=_EXAMPLES)
@click.option(
    "--attach",
    type=click.Choice([n for n, a in ATTACH_TYPES.items() if a.targets == GETPID.kind]),
    default="tp_btf",
    show_default=True,
    help="Attach type.",
)
@click.option(
    "--program",
    multiple=True,
    type=click.Choice(list(scaling.SHARING)),
    help="Program; may be repeated.  [default: all of these]",
)
@click.option(
    "--cpus",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Number of CPUs; may be repeated.  [default: 1, 2, 4 ... and all]",
)
@time_option(3.0, "Seconds of sampling for each program.")
@seed_option
@format_option("table", "json")
@output_option
def command(
    attach: str,
    program: tuple[str, ...],
    cpus: tuple[int, ...],
    time_s: float,
    seed: int | None,
    format_name: str,
    output: Path | None,
) -> None:
    """Measure what BPF probes cost when 1 ... all CPUs call at once.

    Efficiency is the throughput of all CPUs, as a share of what they would do if each did
    as one does alone.
    """
    mark_started()
    scaling.require()
    check_folder(output)
    cases, counts = scaling.select(attach, program), scaling.choose_counts(cpus)
    preflight.check()
    with showing_cases(cases) as show:
        results = list(scaling.measure(cases, counts, Options(time_s=time_s, seed=seed), show))
    record = make_record(results, machine.describe().as_dict(), spent())
    write_record(record, format_name, output, _print)
    raise click.exceptions.Exit(int(exit_status(record)))


def _print(record: Record, console: Console) -> None:
    print_table(console, [HEADINGS, *rows(record)])
    for case in record["cases"]:
        if case["status"] != "measured":
            console.print(f"{case['program']}: {why_not(case)}")
