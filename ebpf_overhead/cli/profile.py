"""``ebpf-overhead profile``: BPF programs in perf."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import clock, machine, preflight
from ebpf_overhead.cases import ATTACH_TYPES, TARGETS, Case, select
from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.options import format_option, kernel_option, output_option
from ebpf_overhead.cli.output import check_folder, print_table, write_record
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.profile import jit_symbols
from ebpf_overhead.profile.loop import profile_loop
from ebpf_overhead.profile.process import profile_process
from ebpf_overhead.profile.record import figure, make_loop_record, make_process_record
from ebpf_overhead.profile.text import LIMIT, headings, others, program_rows, rows
from ebpf_overhead.report.record import Record

_EXAMPLES = """
\b
Examples:
  ebpf-overhead profile --attach raw_tracepoint --program complex --plot complex.svg
  ebpf-overhead profile --attach uprobe --plot uprobe.svg
  ebpf-overhead profile --attach kprobe --kernel 6.12 --duration 300ms --plot kprobe.svg
  ebpf-overhead profile --pid 1234 --duration 10s --plot server.svg

Exit status: 0 profiled, 1 failed, 2 bad use, 3 not possible here: perf is missing or refused.
"""


@click.command(name="profile", epilog=_EXAMPLES)
@click.option(
    "--attach",
    type=click.Choice(list(ATTACH_TYPES)),
    default="tracepoint",
    show_default=True,
    help="Attach type of the probe on the loop.",
)
@click.option(
    "--program",
    default="simple",
    show_default=True,
    metavar="NAME|FILE.c",
    help="Program of the probe.",
)
@click.option(
    "--target",
    type=click.Choice(list(TARGETS)),
    help="What the loop calls.  [default: what the attach type is for]",
)
@click.option(
    "-p",
    "--pid",
    type=click.IntRange(1),
    help="Profile this process instead of a loop, with the BPF programs that are there.",
)
@click.option(
    "-d",
    "--duration",
    "seconds",
    type=DurationType(),
    default="3s",
    show_default=True,
    help="How long to sample: the loop unprobed, and as long probed.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.svg",
    help="Draw flame graphs, unprobed and probed side by side.",
)
@format_option("table", "json", help_text="How to print the result; json has every stack.")
@kernel_option
@output_option
def command(
    attach: str,
    program: str,
    target: str | None,
    pid: int | None,
    seconds: float,
    plot: Path | None,
    format_name: str,
    kernel: str | None,
    output: Path | None,
) -> None:
    """Show where the time of a probed call goes: target, dispatch, program, its helpers.

    perf samples a loop by the software clock, without the probe and with it.
    """
    for path in (output, plot):
        check_folder(path)
    if pid is not None and kernel is not None:
        raise BadUseError("a process here is not in a guest", "give --pid or --kernel")
    if kernel is not None:
        record = run_in_guest(kernel, [program])
    else:
        record = _profile(attach, program, target, pid, seconds)
    if plot is not None:
        plot.write_text(figure(record))
    write_record(record, format_name, output, _print)


def _profile(attach: str, program: str, target: str | None, pid: int | None, s: float) -> Record:
    described, unit = machine.describe().as_dict(), clock.current().unit
    with jit_symbols.visible() as switched:
        if pid is not None:
            return make_process_record(profile_process(pid, s, _say), described, unit, switched)
        preflight.check()
        case = _case(attach, program, target)
        return make_loop_record(profile_loop(case, s, _say), described, unit, switched)


def _case(attach: str, program: str, target: str | None) -> Case:
    cases = select([attach], [program], [target] if target else ())
    chosen = {case.program.name for case in cases}
    if len(chosen) > 1:
        raise BadUseError(f"{program!r} names {len(chosen)} programs", "choose one")
    return cases[0]


def _print(record: Record, console: Console) -> None:
    print_table(console, [headings(record), *rows(record)])
    programs = program_rows(record)
    if programs:
        print_table(console, [("BPF program, helpers included", "share"), *programs])
    note = others(record)
    if note is not None:
        console.print(note, markup=False, soft_wrap=True)
    console.print(LIMIT, style="dim", soft_wrap=True)


def _say(line: str) -> None:
    click.echo(line, err=True)
