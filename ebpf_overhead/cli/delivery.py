"""``ebpf-overhead study delivery``: what it costs to hand records to a reader."""

from __future__ import annotations

import click

from ebpf_overhead.cli import options
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.phases import mark_started
from ebpf_overhead.studies.delivery import cells, run
from ebpf_overhead.studies.delivery.rows import make_record
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study delivery
  ebpf-overhead study delivery --buffer ring --buffer perf_1 --reader woken --rate 10000
  ebpf-overhead study delivery --json -o delivery.json
"""


# Of sampling, for each cell.
_TIME_S = 0.6


@click.command(name="delivery", epilog=_EXAMPLES + options.STATUS)
@click.option(
    "--buffer",
    multiple=True,
    type=NameType("buffer", cells.BUFFERS),
    help="How records are handed over; may be repeated.  [default: all of these]",
)
@click.option(
    "--reader",
    multiple=True,
    type=NameType("reader", cells.READERS),
    help="Who takes them out; may be repeated.  [default: all of these]",
)
@click.option(
    "--rate",
    multiple=True,
    type=click.IntRange(0, cells.RATE_MAX),
    metavar="N",
    help="Calls per second, 0 for as fast as it goes; may be repeated.  [default: 1000, 10000,"
    " 100000 and 0]",
)
@click.option(
    "--attach",
    type=options.RUN_ONCE_ATTACH_TYPE,
    default=REFERENCE[0],
    help="Attach type.",
)
@options.time("case", _TIME_S)
@options.cpu
@options.seed
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    buffer: tuple[str, ...],
    reader: tuple[str, ...],
    rate: tuple[int, ...],
    attach: str,
    time_s: float | None,
    cpu: int | None,
    seed: int | None,
    output: Output,
) -> None:
    """Measure what it costs to hand records to a reader, at real rates.

    The caller, which spins between its calls, pays for the record and for waking the reader up.  A
    tight loop never lets the reader sleep, so its figures are the low end.
    """
    mark_started()
    wanted = cells.choose(buffer, reader, rate)
    share_s = options.share_of_time(time_s, len(wanted), _TIME_S)
    sampling = Sampling(time_s=share_s, cpu=cpu, seed=seed)
    record = make_record(measured(output, wanted, run.measure, attach, sampling))
    output.finish(record, print_tables, TABLE_FORMATS)
