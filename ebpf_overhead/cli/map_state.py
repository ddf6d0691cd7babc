"""``ebpf-overhead map-state``: what a map operation costs, by the map's fill and sizes."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import clock, machine, preflight
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import (
    cpu_option,
    format_option,
    kernel_option,
    output_option,
    precision_option,
    seed_option,
    time_option,
)
from ebpf_overhead.cli.output import check_folder, exit_status, print_table, write_record
from ebpf_overhead.cli.progress import showing_cases
from ebpf_overhead.map_state import run, states
from ebpf_overhead.measure import Options
from ebpf_overhead.phases import mark_started, spent
from ebpf_overhead.report.map_state import HEADINGS, make_map_record, rows
from ebpf_overhead.report.record import Record, why_not
from ebpf_overhead.report.rows import UNIT_HEADINGS
from ebpf_overhead.sampling import Precision, choose_cpu

_EXAMPLES = """
\b
Examples:
  ebpf-overhead map-state
  ebpf-overhead map-state --entries 1024 --entries 1048576 --state warm_hit --state lru_evict
  ebpf-overhead map-state --attach fentry --kernel 6.12 --format json -o maps.json
  ebpf-overhead plot map-state maps.json -o maps.svg

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""


@click.command(name="map-state", epilog=_EXAMPLES)
@click.option(
    "--state",
    multiple=True,
    type=click.Choice(list(states.STATES)),
    metavar="NAME",
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
    type=click.Choice(run.ATTACH_CHOICES),
    default="tp_btf",
    show_default=True,
    help="Attach type.",
)
@precision_option
@time_option(Options.time_s, "Stop a case after this many seconds of sampling.")
@cpu_option
@seed_option
@format_option("table", "json")
@kernel_option
@output_option
def command(
    state: tuple[str, ...],
    key_bytes: tuple[int, ...],
    value_bytes: tuple[int, ...],
    entries: tuple[int, ...],
    attach: str,
    precision: Precision,
    time_s: float,
    cpu: int | None,
    seed: int | None,
    format_name: str,
    kernel: str | None,
    output: Path | None,
) -> None:
    """Measure what a map operation costs, by how full the map is and by its sizes.

    Without sizes each is changed in turn: keys of 4 to 256 bytes, values of 8 to 4096, 1 to
    1048576 entries.
    """
    mark_started()
    check_folder(output)
    if kernel is None:
        chosen = states.choose_sizes(key_bytes, value_bytes, entries)
        wanted = run.cells(states.choose_states(state), chosen, attach)
        record = _measure(wanted, Options(precision, time_s, choose_cpu(cpu), seed))
    else:
        record = run_in_guest(kernel)
    write_record(record, format_name, output, _print)
    raise click.exceptions.Exit(int(exit_status(record)))


def _measure(wanted: list[run.Cell], options: Options) -> Record:
    preflight.check()
    with showing_cases(wanted) as show:
        results = list(run.measure(wanted, options, show))
    unit = clock.current().unit
    return make_map_record(results, machine.describe().as_dict(), options, spent(), unit)


def _print(record: Record, console: Console) -> None:
    unit = UNIT_HEADINGS[record["cases"][0]["unit"]]
    print_table(console, [HEADINGS, *rows(record)], f"sizes in bytes, costs in {unit}")
    for row in record["cases"]:
        if row["status"] != "measured":
            sizes = f"{row['key_bytes']}/{row['value_bytes']}/{row['entries']}"
            console.print(f"{row['state']}/{sizes}: {why_not(row)}", markup=False)
