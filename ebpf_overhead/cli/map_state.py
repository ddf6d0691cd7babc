"""``ebpf-overhead study map-state``: what a map operation costs, by the map's fill and sizes."""

from __future__ import annotations

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.phases import mark_started
from ebpf_overhead.studies.map_state import run, states
from ebpf_overhead.studies.map_state.rows import make_record
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study map-state
  ebpf-overhead study map-state --entries 1024 --entries 1048576 --state warm_hit --state lru_evict
  ebpf-overhead study map-state --attach fentry --kernel 6.12 --format json -o maps.json
  ebpf-overhead plot map-state maps.json -o maps.svg
"""


@click.command(name="map-state", epilog=_EXAMPLES + options.STATUS)
@click.option(
    "--state",
    multiple=True,
    type=NameType("map state", states.STATES, metavar="NAME"),
    help=f"State, of {', '.join(states.STATES)}; may be repeated.  [default: all]",
)
@click.option(
    "--key-bytes",
    multiple=True,
    type=click.IntRange(states.KEY_BYTES_MIN, states.KEY_BYTES_MAX),
    help="Size of a key; may be repeated.  [default with another size: 8]",
)
@click.option(
    "--value-bytes",
    multiple=True,
    type=click.IntRange(states.VALUE_BYTES_MIN, states.VALUE_BYTES_MAX),
    help="Size of a value; may be repeated.  [default with another size: 8]",
)
@click.option(
    "--entries",
    multiple=True,
    type=click.IntRange(1, states.ENTRIES_MAX),
    help="Entries the map has room for; may be repeated.  [default with another size: 1024]",
)
@click.option(
    "--attach",
    type=options.RUN_ONCE_ATTACH_TYPE,
    default=REFERENCE[0],
    help="Attach type.",
)
@options.precision
@options.time("case", Sampling.time_s)
@options.cpu
@options.seed
@guest_options.kernel
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    state: tuple[str, ...],
    key_bytes: tuple[int, ...],
    value_bytes: tuple[int, ...],
    entries: tuple[int, ...],
    attach: str,
    precision: Precision | None,
    time_s: float | None,
    cpu: int | None,
    seed: int | None,
    kernel: str | None,
    output: Output,
) -> None:
    """Measure what a map operation costs, by how full the map is and by its sizes.

    Without sizes each is changed in turn: keys of 4 to 256 bytes, values of 8 to 4096, 1 to
    1048576 entries.
    """
    mark_started()
    if kernel is None:
        chosen = states.choose_sizes(key_bytes, value_bytes, entries)
        wanted = run.cells(states.choose_states(state), chosen, attach)
        share_s = options.share_of_time(time_s, len(wanted), Sampling.time_s)
        sampling = Sampling(precision or Precision.by_default(), share_s, choose_cpu(cpu), seed)
        record = make_record(measured(output, wanted, run.measure, sampling), sampling)
    else:
        record = run_in_guest(kernel)
    output.finish(record, print_tables, TABLE_FORMATS)
