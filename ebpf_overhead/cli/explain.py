"""``ebpf-overhead explain``: where the instructions of a probed call go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import showing_steps
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import Case, select
from ebpf_overhead.programs.object_settings import object_settings
from ebpf_overhead.report.gathering import exit_status
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.several_kernels import merged
from ebpf_overhead.studies.explain import disassembly, flames
from ebpf_overhead.studies.explain.record import make_record
from ebpf_overhead.studies.explain.run import explain
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead explain --kernel 6.12
  ebpf-overhead explain --attach fentry --attach kprobe --program empty --kernel 7.3
  ebpf-overhead explain --attach fentry --program simple --kernel 6.12 --kernel 7.3
  ebpf-overhead explain --program mine.bpf.o --kernel 6.12 --plot mine.svg
  ebpf-overhead explain --attach tp_btf --kernel 6.12 --disassemble
  ebpf-overhead study explain --kernel 6.12    # the same command

Exit status: 0 explained, 1 a case failed, 2 bad use, 3 nothing could be measured.
"""


@click.command(name="explain", epilog=_EXAMPLES)
@options.attach("standard; that of an object file's sections or a script's probes")
@click.option(
    "--program",
    multiple=True,
    type=options.PROGRAM_GROUP_OR_FILE,
    help="Program, or a file of your own, as for measure; may be repeated.  [default: empty]",
)
@options.object_file
@options.workload(
    "What is called (docs/workloads.md).  [default: what the attach type is for]",
    type=options.WORKLOAD,
)
@click.option(
    "--disassemble",
    is_flag=True,
    help="Show every instruction that the probe adds, with how often it is executed.  Needs"
    " capstone: pip install capstone.",
)
@options.figure(
    "--plot",
    help_text="Draw flame graphs of the first case into this SVG file, without and with the probe.",
)
@guest_options.kernels
@options.result("table", *TABLE_FORMATS)
def command(
    attach: tuple[str, ...],
    program: tuple[str, ...],
    only: tuple[str, ...],
    map_size: tuple[str, ...],
    variables: tuple[str, ...],
    workload: str | None,
    disassemble: bool,
    plot: Path | None,
    kernels: tuple[str, ...],
    output: Output,
) -> None:
    """Show where the instructions of a probed call go, function by function, exactly.

    One call without the probe and one with it are stepped through in a guest.  Their difference
    is the overhead that measure finds there.
    """
    if not kernels:
        raise BadUseError(
            "calls are stepped through in a guest: no kernel was named",
            "--kernel 6.12; on the running kernel, profile shows shares of the time",
        )
    if disassemble:
        disassembly.require()
    settings = object_settings(only, map_size, variables)
    cases = select(attach, program or ("empty",), (workload,) if workload else (), settings)
    record = merged([_explain(kernel, cases, disassemble) for kernel in kernels])
    output.deliver(record, _shown(disassemble), TABLE_FORMATS)
    if plot is not None:
        plot.write_text(flames.draw_flames(record))
    output.end(exit_status(record))


def _explain(kernel: str, cases: list[Case], with_code: bool) -> Record:
    with showing_steps() as show:
        found = explain(
            *(kernel, cases, show),
            with_code=with_code,
            restore=not guest_options.to_be_booted(),
            variant=guest_options.guest_variant(),
        )
        return make_record(found)


def _shown(disassemble: bool) -> Any:
    def show(record: Record, console: Console) -> None:
        if disassemble:
            disassembly.print_code(record, console)
        print_tables(record, console)

    return show
