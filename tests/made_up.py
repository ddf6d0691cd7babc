"""``ebpf-overhead`` in a process of its own, measuring what is made up.

``python -c 'import made_up; made_up.main()' ARGUMENTS``: each case is measured at once, and said
on standard error.  The environment says what happens at the third: ``ENDS_BY`` names an exception
that is raised there; ``descriptors`` opens all that are left, ``waiting`` waits for a signal.
"""

from __future__ import annotations

import builtins
import errno
import os
import sys
import time
from contextlib import ExitStack

from ebpf_overhead import cli
from ebpf_overhead.measure import machine_lock, preflight
from ebpf_overhead.measure.result import Measurement, Result
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.studies import cases_run

MEASUREMENT = Measurement(
    samples=Samples((100.0, 99.0, 101.0, 100.0), (150.0, 149.0, 153.0, 150.0), 2, 3400),
    overhead=Interval(50.0, 48.5, 51.5, 0.99),
    hits=Hits(2000, 2000, 77),
    missed=0,
    map_use=None,
    stopped_by="precision",
    hook="sys_enter",
)
BEFORE_THE_END = 2


def measure_cases(cases, sampling, progress, verifier_log):
    try:
        for number, case in enumerate(cases):
            if number == BEFORE_THE_END:
                end(os.environ.get("ENDS_BY", ""))
            yield Result(case, "measured", measurement=MEASUREMENT)
            print("row", file=sys.stderr, flush=True)
    finally:
        print("detached", file=sys.stderr, flush=True)


def end(how: str) -> None:
    if how == "waiting":
        print("waiting", file=sys.stderr, flush=True)
        # A signal between Python's last look for one and a long sleep would wait for its end.
        while True:
            time.sleep(0.05)
    elif how == "descriptors":
        with ExitStack() as stack:
            while True:
                stack.enter_context(open(os.devnull))
    elif how.startswith("E"):
        raise OSError(getattr(errno, how), os.strerror(getattr(errno, how)))
    elif how == "UnicodeError":
        b"\xff".decode()
    elif how:
        raise getattr(builtins, how)


def main() -> None:
    cases_run.measure_cases = measure_cases
    preflight.check = lambda cases=None: None
    machine_lock.LockHolder.may_measure = lambda self: True
    cli.main(prog_name="ebpf-overhead")
