"""``ebpf-overhead measure``: the tables of what probes cost on the running kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from ebpf_overhead.api.measuring import here
from ebpf_overhead.cli import guest_options, measure_command, options
from ebpf_overhead.cli.elsewhere import measure_there
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.processes import measured_here
from ebpf_overhead.cli.progress import showing_turns
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import Case, CoAttached, select
from ebpf_overhead.hooks.object_cases import with_groups
from ebpf_overhead.measure.bystander import seen_by_all
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.phases import mark_started
from ebpf_overhead.programs.catalogue import PROGRAM_GROUPS
from ebpf_overhead.programs.object_settings import object_settings
from ebpf_overhead.report.gathering import exit_status
from ebpf_overhead.report.metrics import of_measure
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.several_kernels import merged
from ebpf_overhead.report.several_processes import combined
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.registry import DEFAULT, FORMATS, print_tables
from ebpf_overhead.workload.workloads import WORKLOADS

_EXAMPLES = """
\b
Examples:
  ebpf-overhead measure
  ebpf-overhead measure --attach tp_btf --program simple --precision 2% --time 5s
  ebpf-overhead measure --program mine.c --verifier-log
  ebpf-overhead measure --program mine.bpf.o --kernel 6.1 --kernel 6.12 --kernel 7.3
  ebpf-overhead measure --program /usr/sbin/opensnoop.bt --kernel 6.12
  ebpf-overhead measure --workload read --workload sendto
  ebpf-overhead measure --workload-command 'tar cf /dev/null /usr/include' --attach tp_btf
  ebpf-overhead measure --program old.bpf.o --program new.bpf.o --processes 5
  ebpf-overhead measure --attach all --kernel 6.12
  ebpf-overhead measure --program empty --bystander
  ebpf-overhead measure --format json -o result.json
  ebpf-overhead measure --format gobench > after.txt && benchstat before.txt after.txt
"""


@click.command(name="measure", epilog=_EXAMPLES + options.STATUS)
@options.attach("standard; that of an object file's sections or a script's probes")
@click.option(
    "--program",
    multiple=True,
    type=options.PROGRAM_GROUP_OR_FILE,
    help="Program, or a C source, an object file or a bpftrace script of your own"
    f" (docs/programs.md), or one of the groups {', '.join(PROGRAM_GROUPS)}; may be repeated."
    "  [default: empty, simple, complex]",
)
@options.object_file
@options.workload(
    "What is called (docs/workloads.md); may be repeated.  [default: getpid, and the functions"
    " that uprobes are for]",
    type=options.WORKLOAD,
    multiple=True,
)
@measure_command.command_options
@click.option(
    "--co-attached",
    "--beside",
    "beside",
    is_flag=True,
    help="Measure what a second program costs: the same one is co-attached all the time.",
)
@click.option(
    "--bpf-stats",
    is_flag=True,
    help="Measure with the kernel's run statistics on (kernel.bpf_stats_enabled), and show what"
    " they say (docs/bpf-stats.md).",
)
@click.option(
    "--bystander",
    is_flag=True,
    help="Also measure what other system calls and other processes pay for each probe, and what"
    " remains after detach (docs/bystanders.md).",
)
@click.option(
    "--bystander-calls",
    multiple=True,
    type=options.WORKLOAD,
    help="The same for what is named here, in place of getppid and read; may be repeated.",
)
@click.option(
    "--verifier-log",
    is_flag=True,
    help="Show, on standard error, all that the kernel's verifier writes about each program.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Measure in so many processes, one after the other; how far they lie apart is in the"
    " intervals (docs/architecture.md).",
)
@options.precision
@options.time("case", Sampling.time_s)
@options.cpu
@options.seed
@guest_options.kernels
@wait_option
@options.result("table", *FORMATS)
@options.openmetrics
def command(
    attach: tuple[str, ...],
    program: tuple[str, ...],
    workload: tuple[str, ...],
    beside: bool,
    bpf_stats: bool,
    bystander: bool,
    bystander_calls: tuple[str, ...],
    only: tuple[str, ...],
    map_size: tuple[str, ...],
    variables: tuple[str, ...],
    command_line: str | None,
    metric: str | None,
    victims: tuple[int, ...],
    **given: Any,
) -> None:
    """Measure what BPF probes cost on the running kernel.

    Every case is a workload, the system call getpid by default, with one program at one attach
    type.  It is compared in pairs of windows with the same call unprobed.
    """
    settings = object_settings(only, map_size, variables)
    bystander = bystander or bool(bystander_calls)
    own = measure_command.commanded(command_line, metric, victims)
    if own is not None:
        cases = measure_command.cases_for(attach, program, workload, settings)
        given |= {"co-attached": beside, "bpf-stats": bpf_stats, "bystander": bystander}
        measure_command.measure_and_show(own, cases, program, **given)
    cases = select(attach, program, workload, settings)
    if not attach and not beside and not bystander:
        cases = with_groups(cases, [WORKLOADS[name] for name in workload])
    cases = _conditions(cases, beside, bpf_stats)
    if bystander:
        cases = [view for each in cases for view in seen_by_all(each, bystander_calls)]
    measure_and_show(DEFAULT, cases, **given)


def measure_and_show(
    study: str,
    cases: list[Case],
    *,
    verifier_log: bool,
    processes: int,
    precision: Precision | None,
    time_s: float | None,
    cpu: int | None,
    seed: int | None,
    kernels: tuple[str, ...],
    output: Output,
    openmetrics: Path | None,
) -> NoReturn:
    """Measure the cases of a study here or in a guest, write the record and end the command.

    Parameters
    ----------
    study : str
        Its name.
    cases : list of Case
        What to measure.
    verifier_log, processes, precision, time_s, cpu, seed, kernels, output, openmetrics
        The options of those names.
    """
    if kernels[1:] and (study != DEFAULT or any(case.caller for case in cases)):
        raise BadUseError("its tables are of one kernel", "name one --kernel")
    share_s = options.share_of_time(time_s, len(cases) * processes, Sampling.time_s)
    precision = precision or (Precision() if kernels else Precision.by_default())
    job = Job(study, cases, Sampling(precision, share_s, cpu, seed), verifier_log)
    record = merged(output.gather(_of_kernels(job, kernels, output, processes)))
    _show_logs(record)
    output.deliver(record, print_tables, FORMATS)
    options.export(openmetrics, lambda: of_measure(record))
    output.end(exit_status(record))


def _of_kernels(
    job: Job, kernels: Sequence[str], output: Output, processes: int
) -> Iterator[Record]:
    """Yield the record of each kernel, or that of the running one."""
    every: Sequence[str | None] = kernels or [None]
    for kernel in every:
        yield measure_job(job, kernel, output, processes)
        if output.cut_short is not None:  # what it was is known, and the rest is left out
            return


def measure_job(job: Job, kernel: str | None, output: Output, processes: int = 1) -> Record:
    """Measure cases here, or in a guest booted on a kernel; in several processes or in one."""
    mark_started()
    if kernel is not None:
        # The CPU is one of this machine's.
        there = replace(job, sampling=replace(job.sampling, cpu=None))
        if processes == 1:
            return measure_there(kernel, there)
        guests = (measure_there(kernel, there) for _ in range(processes))
        return _whole(output, guests)
    job = replace(job, sampling=replace(job.sampling, cpu=choose_cpu(job.sampling.cpu)))
    if processes > 1:
        return _whole(output, measured_here(job, processes))
    with showing_turns(len(job.cases)) as show:
        return here(job, show, output.gather)


def _whole(output: Output, records: Iterator[Record]) -> Record:
    """Return the record of all processes, or of those that were finished when it ended."""
    found = output.gather(records)
    if not found and output.cut_short is not None:
        raise output.cut_short
    return combined(found)


def _conditions(cases: list[Case], beside: bool, bpf_stats: bool) -> list[Case]:
    """Return cases under the conditions that options ask for."""
    if beside:
        cases = [replace(each, co_attached=CoAttached((each,))) for each in cases]
    return [replace(each, statistics=bpf_stats) for each in cases]


def _show_logs(record: Record) -> None:
    for case in record["cases"]:
        if "verifier_log" in case:
            name = f"{case['target']}/{case['attach']}/{case['program']}"
            click.echo(f"--- verifier log of {name} ---\n{case['verifier_log']}", err=True)
