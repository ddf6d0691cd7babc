"""What a program that samples a CPU N times a second takes of it, and per sample.

    python tests/cost/sampling.py [HERTZ...]

A loop in user space runs with perf's CPU clock and without it, in turns.  How often the program
runs is counted apart, because counting costs, too.  In a guest that counts instructions ns are
instructions.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ebpf_overhead.bpf import _syscalls, perf_event
from ebpf_overhead.bpf.structures import PerfEventAttr
from ebpf_overhead.bpf.syscall import ProgType, counting_runs
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.measure.stats import Interval, interval
from ebpf_overhead.programs.catalogue import programs_named
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.object_program import made
from ebpf_overhead.workload import _workload

SOFTWARE, CPU_CLOCK, CLOSE_ON_EXEC = 1, 0, 8  # of include/uapi/linux/perf_event.h
ROUNDS, WINDOW_NS = 12, 100_000_000
PROGRAMS = ("empty", "simple", "complex")


@contextmanager
def sampled(program: LoadedProgram, cpu: int, hertz: int) -> Iterator[None]:
    """Run the program so often on the CPU while the block runs."""
    period_ns = 1_000_000_000 // hertz
    attribute = PerfEventAttr(type=SOFTWARE, config=CPU_CLOCK, sample_period=period_ns)
    event = _syscalls.perf_event_open(attribute, -1, cpu, -1, CLOSE_ON_EXEC)
    try:
        perf_event.attach(event, program.fd)
        yield
    finally:
        os.close(event)


def window_ns(calls: int, cpu: int) -> int:
    (elapsed_ns,), _ = _workload.run("function", calls, cpu=cpu)
    return elapsed_ns


def taken(program: LoadedProgram, cpu: int, hertz: int) -> tuple[Interval, float]:
    """Return the share of the CPU that sampling takes, and how often it runs per second."""
    calls = 1_000_000 * WINDOW_NS // window_ns(1_000_000, cpu)
    shares = []
    for _ in range(ROUNDS):
        found = {}
        for attached in random.sample((True, False), 2):
            with sampled(program, cpu, hertz) if attached else nullcontext():
                found[attached] = window_ns(calls, cpu)
        shares.append((found[True] - found[False]) / found[True])
    with counting_runs(), sampled(program, cpu, hertz):
        before = program.info().run_count
        elapsed_ns = window_ns(calls, cpu)
        runs = program.info().run_count - before
    return interval(shares), runs * 1e9 / elapsed_ns


def main(rates: list[int]) -> None:
    """Print a table."""
    cpu = choose_cpu()
    print("| program | asked for | samples/s | share of the CPU | per sample |")
    print("| --- | --: | --: | --: | --: |")
    for name in PROGRAMS:
        (program,) = programs_named([name])
        loaded = made(program).load(LoadedAs(ProgType.PERF_EVENT), name)
        with loaded:
            for hertz in rates:
                share, per_s = taken(loaded, cpu, hertz)
                percent = f"{100 * share.estimate:.3f} ± {100 * share.half_width:.3f} %"
                each = f"{share.estimate * 1e9 / per_s:,.0f}"
                print(
                    f"| `{name}` | {hertz:,} Hz | {per_s:,.0f} | {percent} | {each} |", flush=True
                )


if __name__ == "__main__":
    with machine_lock.waiting(), machine_lock.held():
        main([int(each) for each in sys.argv[1:]] or [99, 999, 9999])
