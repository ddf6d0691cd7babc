"""``ebpf-overhead profile``: BPF programs in perf."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ebpf_overhead import machine
from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import say
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, Case, select
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.report.console import print_line, print_table
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.profile import jit_symbols
from ebpf_overhead.tools.profile.loop import profile_loop
from ebpf_overhead.tools.profile.process import profile_process
from ebpf_overhead.tools.profile.record import figure, make_loop_record, make_process_record
from ebpf_overhead.tools.profile.text import LIMIT, headings, others, program_rows, rows
from ebpf_overhead.workload import clock

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
    type=options.ATTACH_TYPE,
    default=STANDARD_ATTACH_TYPES[0],
    help="Attach type of the probe on the loop.",
)
@click.option(
    "--program",
    default="simple",
    type=options.PROGRAM_OR_FILE,
    help="Program of the probe.",
)
@options.workload(
    "What the loop calls.  [default: what the attach type is for]", type=options.WORKLOAD
)
@click.option(
    "-p",
    "--pid",
    type=click.IntRange(1),
    help="Profile this process instead of a loop, with the BPF programs that are there.",
)
@options.duration("How long to sample: the loop unprobed, and as long probed.", "3s")
@options.figure(
    "--plot",
    help_text="Draw flame graphs into this SVG file, unprobed and probed side by side.",
)
@guest_options.kernel
@wait_option
@options.result(help_text="How to print the result; json has every stack.")
def command(
    attach: str,
    program: str,
    workload: str | None,
    pid: int | None,
    duration_s: float,
    plot: Path | None,
    kernel: str | None,
    output: Output,
) -> None:
    """Show where the time of a probed call goes: workload, dispatch, program, its helpers.

    perf samples a loop by the software clock, without the probe and with it.
    """
    if pid is not None and kernel is not None:
        raise BadUseError("a process here is not in a guest", "give --pid or --kernel")
    if kernel is not None:
        record = run_in_guest(kernel, [program])
    else:
        record = _profile(attach, program, workload, pid, duration_s)
    output.deliver(record, _print)
    if plot is not None:
        plot.write_text(figure(record))
    output.end(ExitStatus.MEASURED)


def _profile(attach: str, program: str, workload: str | None, pid: int | None, s: float) -> Record:
    described, unit = machine.describe().as_dict(), clock.current().unit
    with machine_lock.held(), jit_symbols.visible() as switched:
        if pid is not None:
            return make_process_record(profile_process(pid, s, say), described, unit, switched)
        preflight.check()
        case = _case(attach, program, workload)
        return make_loop_record(profile_loop(case, s, say), described, unit, switched)


def _case(attach: str, program: str, workload: str | None) -> Case:
    cases = select([attach], [program], [workload] if workload else ())
    chosen = {case.program.name for case in cases}
    if len(chosen) > 1:
        raise BadUseError(f"{program!r} names {len(chosen)} programs", "choose one")
    return cases[0]


def _print(record: Record, console: Console) -> None:
    print_table(console, headings(record), rows(record))
    programs = program_rows(record)
    if programs:
        print_table(console, ("BPF program, helpers included", "share"), programs)
    note = others(record)
    if note is not None:
        print_line(console, note)
    print_line(console, LIMIT, "dim")
