"""Measuring cases, on the kernel that runs or on another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ebpf_overhead.guest.variants import USUAL, Variant
from ebpf_overhead.hooks.cases import Case, select
from ebpf_overhead.hooks.object_cases import with_configuration, with_groups
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.measure.run import Progress
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.phases import mark_started
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies import cases_run
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.registry import DEFAULT
from ebpf_overhead.workload.workloads import WORKLOADS


def measure(
    *,
    attach: Iterable[str] = (),
    program: Iterable[str] = (),
    workload: Iterable[str] = (),
    kernel: str | None = None,
    time_s: float = Sampling.time_s,
    precision: Precision | None = None,
    seed: int | None = None,
) -> Record:
    """Measure what probes cost.

    Parameters
    ----------
    attach, program, workload : iterable of str, optional
        Names, as ``ebpf-overhead measure`` takes them; the standard ones where none is given.
        A program may be a file.
    kernel : str, optional
        Release or series of an installed kernel, on which to measure in a guest, in instructions;
        the running one by default.
    time_s : float, optional
        Longest time to sample each case, in seconds.
    precision : Precision, optional
        When a case is precise enough; by default as the command has it.
    seed : int, optional
        Of the order of the windows.

    Returns
    -------
    dict
        The record, as ``measure --json`` writes it.  A case that was not measured is a row with
        its reason.

    Raises
    ------
    OverheadError
        Nothing can be measured here, something else measures now, or a name is not known.
    """
    cases = cases_named(attach, program, workload)
    precision = precision or (Precision() if kernel else Precision.by_default())
    job = Job(DEFAULT, cases, Sampling(precision, time_s, None, seed))
    mark_started()
    if kernel is not None:
        return there(kernel, job)
    return here(replace(job, sampling=replace(job.sampling, cpu=choose_cpu(None))))


def cases_named(
    attach: Iterable[str] = (), program: Iterable[str] = (), workload: Iterable[str] = ()
) -> list[Case]:
    """Return the cases that `measure` measures; it says what the parameters are."""
    names = list(workload)
    cases = select(attach := list(attach), program, names)
    if not attach:
        cases = with_groups(cases, [WORKLOADS[name] for name in names])
    return cases


def here(
    job: Job,
    progress: Progress = lambda case, done: None,
    gather: Callable[[Iterator[Result]], list[Result]] = list,
) -> Record:
    """Measure on the running kernel, while nothing else measures on this machine.

    Parameters
    ----------
    job, progress, gather
        As for :func:`ebpf_overhead.studies.cases_run.run`.

    Raises
    ------
    OverheadError
        Nothing can be measured here, or something else measures now.
    """
    preflight.check(job.cases)
    with machine_lock.held():
        return cases_run.run(job, progress, gather)


def there(
    kernel: str,
    job: Job,
    say: Callable[[str], None] = lambda line: None,
    *,
    restore: bool = True,
    variant: Variant = USUAL,
) -> Record:
    """Measure in a guest.

    Parameters
    ----------
    kernel : str
        Release or series of an installed kernel.
    job : Job
        What to measure.
    say : callable, optional
        Told in a line what goes on.
    restore : bool, optional
        Whether the guest may be restored from a saved state; else it is booted.
    variant : Variant, optional
        What the guest has that others do not.

    Raises
    ------
    OverheadError
        The kernel is not installed, does not boot, or measuring failed in it.
    """
    # Here: the running kernel needs none of it.
    from ebpf_overhead.kernels import catalogue
    from ebpf_overhead.measure.in_guest import measure_in_guest

    if any(case.program.function for case in job.cases):
        configuration = catalogue.find(kernel).config_text()
        job = replace(job, cases=with_configuration(job.cases, configuration))
    programs = list(dict.fromkeys(case.program for case in job.cases))
    arguments = ["-c", cases_run.CODE, job.to_json()]
    preload = [cases_run.__name__]
    return measure_in_guest(
        kernel, arguments, say, programs, preload=preload, restore=restore, variant=variant
    )
