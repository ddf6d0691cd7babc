"""``ebpf-overhead selfcheck``: whether the numbers that are measured here can be trusted."""

from __future__ import annotations

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.elsewhere import run_in_guest
from ebpf_overhead.cli.measuring import measured, wait_option
from ebpf_overhead.cli.output import Output
from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.phases import mark_started
from ebpf_overhead.studies.registry import TABLE_FORMATS, print_tables
from ebpf_overhead.studies.selfcheck import run
from ebpf_overhead.studies.selfcheck.comparing import Comparing
from ebpf_overhead.studies.selfcheck.rows import make_record, status

_EXAMPLES = """
\b
Examples:
  ebpf-overhead selfcheck
  ebpf-overhead selfcheck --thorough --json -o selfcheck.json
  ebpf-overhead selfcheck --kernel 6.12 --attach fentry
  ebpf-overhead study selfcheck                # the same command

Exit status: 0 all checks passed, 1 one did not, 2 bad use, 3 nothing here can be measured.
"""


@click.command(name="selfcheck", epilog=_EXAMPLES)
@click.option(
    "--attach",
    type=options.GETPID_ATTACH_TYPE,
    default=REFERENCE[0],
    help="Attach type of the probes.",
)
@click.option(
    "--thorough", is_flag=True, help="Make ten times as many comparisons, which takes minutes."
)
@options.cpu
@options.seed
@guest_options.kernel
@wait_option
@options.result("table", *TABLE_FORMATS)
def command(
    attach: str,
    thorough: bool,
    cpu: int | None,
    seed: int | None,
    kernel: str | None,
    output: Output,
) -> None:
    """Check what measures: that it finds nothing where nothing is, and what was put there.

    Nothing is compared with nothing, and a probe with itself; programs have instructions more
    whose number is known; nothing may remain of a probe; the kernel's statistics must agree.
    docs/selfcheck.md says what each check is.
    """
    mark_started()
    if kernel is None:
        how = Comparing(choose_cpu(cpu), seed, thorough)
        found = measured(output, run.PARTS, run.measure, attach, how)
        record = make_record(found, attach, how)
    else:
        record = run_in_guest(kernel)
    output.finish(record, print_tables, TABLE_FORMATS, status=status)
