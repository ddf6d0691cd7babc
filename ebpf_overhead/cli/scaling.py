"""``ebpf-overhead study scaling``: what probes cost when many CPUs call at once."""

from __future__ import annotations

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.phases import mark_started
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables
from ebpf_overhead.studies.scaling import run as scaling
from ebpf_overhead.studies.scaling.rows import make_record

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study scaling
  ebpf-overhead study scaling --attach fentry --program array --cpus 2 --time 20s
  ebpf-overhead study scaling --json -o scaling.json
  ebpf-overhead plot scaling scaling.json -o scaling.svg
"""


# Of sampling, for each program.
_TIME_S = 3.0


@click.command(name="scaling", epilog=_EXAMPLES + options.STATUS)
@click.option(
    "--attach",
    type=options.GETPID_ATTACH_TYPE,
    default=REFERENCE[0],
    help="Attach type.",
)
@click.option(
    "--program",
    multiple=True,
    type=NameType("program", scaling.SHARING),
    help="Program; may be repeated.  [default: all of these]",
)
@click.option(
    "--cpus",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Number of CPUs; may be repeated.  [default: 1, 2, 4 ... and all]",
)
@options.time("program", _TIME_S)
@options.seed
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    attach: str,
    program: tuple[str, ...],
    cpus: tuple[int, ...],
    time_s: float | None,
    seed: int | None,
    output: Output,
) -> None:
    """Measure what BPF probes cost when 1 ... all CPUs call at once.

    Efficiency is the throughput of all CPUs, as a share of what they would do if each did
    as one does alone.
    """
    mark_started()
    scaling.require()
    cases, counts = scaling.select(attach, program), scaling.choose_counts(cpus)
    sampling = Sampling(time_s=options.share_of_time(time_s, len(cases), _TIME_S), seed=seed)
    record = make_record(measured(output, cases, scaling.measure, counts, sampling))
    output.finish(record, print_tables, TABLE_FORMATS)
