"""``ebpf-overhead cohabit``: what several programs on one target cost."""

from __future__ import annotations

from pathlib import Path

import click

from ebpf_overhead import clock, cohabitation, machine, preflight
from ebpf_overhead.cases import ATTACH_TYPES, GETPID, GROUPS
from ebpf_overhead.catalogue import PROGRAMS
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import (
    format_option,
    kernel_option,
    output_option,
    seed_option,
    time_option,
)
from ebpf_overhead.cli.output import check_folder, exit_status, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure import Options
from ebpf_overhead.phases import mark_started, spent
from ebpf_overhead.report.cohabitation import KIND
from ebpf_overhead.report.formats import FORMATS
from ebpf_overhead.report.record import Record, make_record
from ebpf_overhead.report.terminal import print_tables
from ebpf_overhead.sampling import choose_cpu

_EXAMPLES = """
\b
Examples:
  ebpf-overhead cohabit
  ebpf-overhead cohabit --attach fentry --programs 1 --programs 32 --kernel 6.12
  ebpf-overhead cohabit --mixed --attach kprobe --attach fentry --attach fexit --kernel 6.12
  ebpf-overhead cohabit --format json -o many.json && ebpf-overhead plot cohabitation many.json

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""


@click.command(name="cohabit", epilog=_EXAMPLES)
@click.option(
    "--attach",
    multiple=True,
    type=click.Choice(
        [*GROUPS, *(n for n, each in ATTACH_TYPES.items() if each.targets == GETPID.kind)]
    ),
    metavar="NAME|GROUP",
    help="Attach type or group of them; may be repeated."
    f"  [default: {', '.join(cohabitation.ATTACH_TYPES)}]",
)
@click.option(
    "--programs",
    multiple=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Number of programs; may be repeated."
    f"  [default: {', '.join(map(str, cohabitation.COUNTS))}]",
)
@click.option(
    "--mixed",
    is_flag=True,
    help="Measure pairs of attach types instead: each beside each that is attached already.",
)
@click.option(
    "--program",
    type=click.Choice(list(PROGRAMS)),
    metavar="NAME",
    default="empty",
    show_default=True,
    help="What each of the programs does.",
)
@time_option(
    Options.time_s, "Stop a row after this many seconds of sampling, whatever its precision."
)
@seed_option
@format_option("table", *FORMATS)
@kernel_option
@output_option
def command(
    attach: tuple[str, ...],
    programs: tuple[int, ...],
    mixed: bool,
    program: str,
    time_s: float,
    seed: int | None,
    format_name: str,
    kernel: str | None,
    output: Path | None,
) -> None:
    """Measure what several BPF programs on one target cost.

    So many of one attach type: what the last one adds to those that are there, and what all
    cost together.  Each is proven to run once a call.
    """
    mark_started()
    check_folder(output)
    if mixed and programs:
        raise BadUseError("--mixed measures pairs", "leave out --programs")
    cases = cohabitation.choose(attach, program)
    chosen = programs or cohabitation.COUNTS
    settings = cohabitation.pairs(cases) if mixed else cohabitation.numbers(cases, chosen)
    if kernel is None:
        record = _measure_here(settings, Options(time_s=time_s, cpu=choose_cpu(), seed=seed))
    else:
        record = run_in_guest(kernel)
    write_record(record, format_name, output, print_tables, FORMATS)
    raise click.exceptions.Exit(int(exit_status(record)))


def _measure_here(settings: list[cohabitation.Setting], options: Options) -> Record:
    preflight.check()
    with showing_cases(settings) as show:
        results = list(cohabitation.measure(settings, options, show))
    described = machine.describe().as_dict()
    record = make_record(results, described, options, spent(), clock.current().unit)
    return {**record, "kind": KIND}
