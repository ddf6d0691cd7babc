"""``ebpf-overhead study coattachment``: what several programs on one workload cost."""

from __future__ import annotations

import click

from ebpf_overhead.cli import guest_options, options
from ebpf_overhead.cli.measure import measure_job
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import GROUPS
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.coattachment import cases as choices
from ebpf_overhead.studies.registry import FORMATS, print_tables

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study coattachment
  ebpf-overhead study coattachment --attach fentry --programs 1 --programs 32 --kernel 6.12
  ebpf-overhead study coattachment --mixed --attach kprobe --attach fentry --kernel 6.12
  ebpf-overhead study coattachment --json -o many.json
  ebpf-overhead plot coattachment many.json -o many.svg
"""


@click.command(name="coattachment", epilog=_EXAMPLES + options.STATUS)
@click.option(
    "--attach",
    multiple=True,
    type=NameType(
        "attach type", [*GROUPS, *options.GETPID_ATTACH_TYPE.names()], metavar="NAME|GROUP"
    ),
    help="Attach type or group of them; may be repeated."
    f"  [default: {', '.join(choices.ATTACH_TYPES)}]",
)
@click.option(
    "--programs",
    multiple=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help=f"Number of programs; may be repeated.  [default: {', '.join(map(str, choices.COUNTS))}]",
)
@click.option(
    "--mixed",
    is_flag=True,
    help="Measure pairs of attach types instead: each with each other one attached already.",
)
@click.option(
    "--program",
    type=options.PROGRAM,
    default="empty",
    help="What each of the programs does.",
)
@options.time("row", Sampling.time_s)
@options.seed
@guest_options.kernel
@wait_option
@options.result("table", *FORMATS)
def command(
    attach: tuple[str, ...],
    programs: tuple[int, ...],
    mixed: bool,
    program: str,
    time_s: float | None,
    seed: int | None,
    kernel: str | None,
    output: Output,
) -> None:
    """Measure what several co-attached BPF programs cost.

    So many of one attach type: what the last one adds to those that are there, and what all
    cost together.  A run count check proves that each runs once per call.
    """
    if mixed and programs:
        raise BadUseError("--mixed measures pairs", "leave out --programs")
    cases = choices.choose(attach, program)
    chosen = programs or choices.COUNTS
    settings = choices.pairs(cases) if mixed else choices.numbers(cases, chosen)
    share_s = options.share_of_time(time_s, len(settings), Sampling.time_s)
    job = Job("coattachment", settings, Sampling(time_s=share_s, seed=seed))
    record = measure_job(job, kernel, output)
    output.finish(record, print_tables, FORMATS)
