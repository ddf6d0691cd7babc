"""``ebpf-overhead workloads``: what can be called, and which attach points a call passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click
from rich.console import Console

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.measure import preflight
from ebpf_overhead.report.console import print_line
from ebpf_overhead.report.formats import to_json
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.passes import text
from ebpf_overhead.tools.passes.counting import counted, known_places
from ebpf_overhead.tools.passes.record import make_record
from ebpf_overhead.workload.workloads import WORKLOADS

_EXAMPLES = """
\b
Examples:
  ebpf-overhead workloads
  ebpf-overhead workloads --count openat_close exec
  ebpf-overhead workloads --count --kernel 6.12 --format markdown

Exit status: 0 shown, 1 counted otherwise than the list says, 2 bad use, 3 nothing can be counted.
"""
_FORMATS: Mapping[str, Callable[[Record], str]] = {"markdown": text.markdown, "json": to_json}


@click.command(name="workloads", epilog=_EXAMPLES)
@click.argument("names", nargs=-1, type=options.WORKLOAD, metavar="[WORKLOAD]...")
@click.option("--count", is_flag=True, help="Count it here, with a probe on each attach point.")
@guest_options.kernel
@options.result("table", "json", "markdown")
def command(names: tuple[str, ...], count: bool, kernel: str | None, output: Output) -> None:
    """List the workloads, and which attach points a call of each passes how often.

    System calls, tracepoints and main functions of the kernel, also in tasks that a call starts.
    What is counted for one workload is counted for all that are named.
    """
    if kernel is not None and not count:
        raise BadUseError("the list is the same on every kernel", "count there: --count")
    chosen = [WORKLOADS[name] for name in names or WORKLOADS if WORKLOADS[name].syscall]
    if kernel is not None:
        record = run_in_guest(kernel)
    elif count:
        preflight.check()
        with counted(known_places(chosen)) as counter:
            record = make_record(chosen, counter)
    else:
        record = make_record(chosen)
    output.finish(record, _print, _FORMATS, _status)


def _status(record: Record) -> ExitStatus:
    return ExitStatus.CASE_FAILED if text.differs(record) else ExitStatus.MEASURED


def _print(record: Record, console: Console) -> None:
    for line in text.lines(record):
        print_line(console, line)
