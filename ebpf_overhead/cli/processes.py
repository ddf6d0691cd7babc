"""Measuring in several processes, one after the other: here, or each in a guest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ebpf_overhead.cli.progress import showing_steps
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.measure.in_process import MeasuringProcess

if TYPE_CHECKING:  # they come with what measures
    from ebpf_overhead.report.record import Record
    from ebpf_overhead.studies.cases_run import Job


def measured_here(job: Job, count: int) -> Iterator[Record]:
    """Yield what each of so many processes measured.

    After an interruption in the first, the record of what it had finished.

    Parameters
    ----------
    job : Job
        What each measures.
    count : int
        How many.
    """
    from ebpf_overhead.studies import cases_run

    preflight.check(job.cases)
    with machine_lock.held(), showing_steps() as show:
        for number, name in _named(count, show):
            with MeasuringProcess(["-c", cases_run.CODE, job.to_json()], name) as process:
                try:
                    record = process.record()
                except KeyboardInterrupt:
                    finished = process.last_words() if number == 0 else None
                    if finished is not None:
                        yield finished
                    raise
            yield record


def _named(count: int, show: Callable[[str], None]) -> Iterator[tuple[int, str]]:
    """Yield the number and the name of each process, and show how long the rest takes."""
    began = time.monotonic()
    for number in range(count):
        name = f"process {number + 1} of {count}"
        each_s = (time.monotonic() - began) / max(number, 1)
        left = f", about {each_s * (count - number):.0f} s left" if number else ""
        show(f"Measuring in {name}{left}")
        yield number, name
