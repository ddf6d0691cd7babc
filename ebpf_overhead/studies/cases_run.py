"""Measures the cases of a study, here or as the one thing that a process in a guest does.

A guest is told cases and sampling as data.  Neither the command line nor what shows results is
imported there: that would take longer than measuring.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from zlib import compress, decompress

from ebpf_overhead import machine
from ebpf_overhead.errors import ExitStatus, OverheadError
from ebpf_overhead.hooks.case_data import of_data, to_data
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure import preflight
from ebpf_overhead.measure.noise import watched
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.measure.run import Progress, measure_cases
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.phases import spent
from ebpf_overhead.report.cases import make_record
from ebpf_overhead.report.gathering import Gathering, exit_status
from ebpf_overhead.report.record import Record, plain
from ebpf_overhead.workload import clock

if TYPE_CHECKING:
    from ebpf_overhead.measure.earlier_runs import EarlierRuns

# The kernel takes 128 KiB (MAX_ARG_STRLEN); what repeats itself is packed.
_LONGEST_WORD, _PACKED = 100_000, "zlib:"
# What a fresh interpreter is given to run, with the data behind it.
CODE = f"from {__name__} import main; main()"


@dataclass(frozen=True)
class Job:
    """What to measure, and how.

    Attributes
    ----------
    study : str
        The question that it answers.
    cases : list of Case
        What to measure.
    sampling : Sampling
        How.
    verifier_log : bool
        Whether to keep what the verifier writes about each program.
    """

    study: str
    cases: list[Case]
    sampling: Sampling
    verifier_log: bool = False

    def to_json(self) -> str:
        """Return it as a process in a guest is given it: a word of its command line."""
        cases = [to_data(each) for each in self.cases]
        text = json.dumps([self.study, cases, plain(self.sampling), self.verifier_log])
        return (
            text
            if len(text) < _LONGEST_WORD
            else _PACKED + b64encode(compress(text.encode())).decode()
        )

    @classmethod
    def of_json(cls, text: str) -> Job:
        """Return what `to_json` was called of."""
        if text.startswith(_PACKED):
            text = decompress(b64decode(text.removeprefix(_PACKED))).decode()
        study, cases, sampling, verifier_log = json.loads(text)
        precision = Precision(**sampling.pop("precision"))
        return cls(study, [*map(of_data, cases)], Sampling(precision, **sampling), verifier_log)


def run(
    job: Job,
    progress: Progress = lambda case, done: None,
    gather: Callable[[Iterator[Result]], list[Result]] = list,
) -> Record:
    """Measure and return the record.

    Parameters
    ----------
    job : Job
        What to measure.
    progress : callable, optional
        Called with the case at hand, and with the number of cases that are done.
    gather : callable, optional
        Takes the results as they come; fewer than there are cases end the run.
    """
    sampling = job.sampling
    timed = clock.current().layout_sensitive
    earlier = _earlier_runs() if timed else None
    if earlier is not None:
        sampling = replace(sampling, scatter=earlier.scatter())
    with watched(choose_cpu(sampling.cpu)) if timed else nullcontext() as noise:
        rows = measure_cases(job.cases, sampling, progress, verifier_log=job.verifier_log)
        results = gather(rows)
    if earlier is not None:
        earlier.add(results)
    described, unit = machine.describe().as_dict(), clock.current().unit
    return make_record(results, described, sampling, spent(), unit, job.study, noise)


def _earlier_runs() -> EarlierRuns:
    # Here: what reads files is not needed where instructions are counted.
    from ebpf_overhead.measure.earlier_runs import EarlierRuns

    return EarlierRuns()


def main() -> NoReturn:
    """Measure what the first argument says, print the record as JSON and end the process."""
    if clock.current() is clock.ICOUNT:
        # Detaching waits for grace periods of RCU, which take the host much longer than what is
        # counted meanwhile.  No call that is measured waits for one.
        with suppress(OSError):
            Path("/sys/kernel/rcu_expedited").write_text("1")
    rows = Gathering()
    try:
        job = Job.of_json(sys.argv[1])
        preflight.check(job.cases)
        record = rows.marked(run(job, gather=rows.gather))
    except OverheadError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    print(json.dumps(record))
    if rows.cut_short is None:
        sys.exit(exit_status(record))
    if isinstance(rows.cut_short, KeyboardInterrupt):
        sys.exit(ExitStatus.INTERRUPTED)
    raise rows.cut_short
