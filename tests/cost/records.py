"""What `estimate` says of programs that hand records to a reader, beside what callers really pay.

    python tests/cost/records.py [CALLS_PER_S [ROUNDS]]

A C program calls getpid at a rate, and works or sleeps in between.  Another one, with libbpf alone,
attaches the same program from an object file and reads its records.  In each round the calls are
timed without it and with it, in turns, and `estimate` is asked while they go on.  It calls itself,
so with two CPUs and a caller that works none is idle then; what that caller pays where none is idle
is therefore timed as well.  What is compared are the medians of all rounds.  Nothing is asserted on
it: on a busy machine it is a matter of luck.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ebpf_overhead.measure import machine_lock

TESTS = Path(__file__).resolve().parents[1]
# Of each program: what the other tool calls its buffer.
PROGRAMS = {"ringbuf_output": "ring", "perf_event_array": "perf"}
# What the caller does in between, and whether anything else keeps the other CPUs busy.
MANNERS = {
    "works": ("works", False),
    "works, no CPU idle": ("works", True),
    "sleeps": ("sleeps", False),
}
SPIN = "while True: pass"
# Windows with the probe and without, in a round before `estimate` is asked and after.
WINDOWS, WINDOW_S = 12, 0.1
CATCH_UP_S = 0.1
UNTIL_ENDED = 1_000_000_000


class Tool:
    """A program that answers each line of its input with a line."""

    def __init__(self, *command: str | Path) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.pid = self._process.pid

    def tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def ask(self, question: object = "") -> float:
        assert self._process.stdout is not None
        self.tell(question)
        return float(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def build(folder: Path) -> None:
    common = ["cc", "-O2", "-pthread", "-o"]
    subprocess.run([*common, folder / "paced", TESTS / "bare_paced.c"], check=True)
    reader = [*common, folder / "reader", TESTS / "bare_reader.c", "-l:libbpf.so.1"]
    subprocess.run(reader, check=True)


@contextmanager
def other_cpus_busy(wanted: bool) -> Iterator[None]:
    """Keep all CPUs but one busy, if that is wanted."""
    count = len(os.sched_getaffinity(0)) - 1 if wanted else 0
    busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def really_paid(load: Tool, tool: Tool, calls: int) -> list[float]:
    """Return what a call takes longer with the probe, in ns, of each pair of windows."""
    found = []
    for _ in range(WINDOWS):
        without = load.ask(calls)
        before = tool.ask()
        probed = load.ask(calls)
        time.sleep(CATCH_UP_S)
        records = tool.ask() - before
        if records < 0.9 * calls:
            raise SystemExit(f"{records:.0f} records of {calls} calls were read")
        found.append(probed - without)
    return found


def estimated(program: str, pid: int, data: Path) -> tuple[float, float]:
    """Return what `estimate` says an event costs, in ns, and the events per second it counted."""
    command = [sys.executable, "-c", "from ebpf_overhead.cli import main; main()", "estimate"]
    command += ["syscall:getpid", f"--program={program}", f"--pid={pid}", "--attach=tracepoint"]
    command += ["--duration=1s", "--no-latency", "--format=json"]
    # This process has the lock.
    env = {**os.environ, "EBPF_OVERHEAD_DATA": str(data), machine_lock.VARIABLE: ""}
    run = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run.check_returncode()
    (place,) = json.loads(run.stdout)["places"]
    return place["overhead"]["estimate"], place["events_per_second"]


def compared(case: tuple[str, str], per_s: int, folder: Path) -> tuple[list[float], float, float]:
    """Return what was really paid, what was said, and the rate that was counted."""
    program, manner = case
    between, crowded = MANNERS[manner]
    calls = round(per_s * WINDOW_S)
    file = TESTS / f"data/objects/records-{PROGRAMS[program]}.bpf.o"
    load, other = (Tool(folder / "paced", str(per_s), between) for _ in range(2))
    tool = Tool(folder / "reader", file, PROGRAMS[program])
    try:
        with other_cpus_busy(crowded):
            paid = really_paid(load, tool, calls)
        other.tell(UNTIL_ENDED)
        said, counted = estimated(program, other.pid, folder)
        other.end()
        with other_cpus_busy(crowded):
            return paid + really_paid(load, tool, calls), said, counted
    finally:
        for each in (load, other, tool):
            each.end()


def main(per_s: int = 10_000, rounds: int = 5) -> None:
    """Compare, and print a table."""
    cases = [(program, manner) for program in PROGRAMS for manner in MANNERS]
    paid: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    said: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    rates = []
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))
        for _ in range(rounds):
            for case in cases:
                more, value, counted = compared(case, per_s, Path(name))
                paid[case] += more
                said[case].append(value)
                rates.append(counted)
                now = f"said {value:,.0f} at {counted:,.0f}/s"
                really = f"really paid {statistics.median(more):,.0f}"
                print(f"{', '.join(case)}: {now}, {really}", file=sys.stderr)
    print("| program | the caller in between | said, ns | really paid, ns | ratio |")
    print("| --- | --- | --: | --: | --: |")
    for case in cases:
        one, other = statistics.median(said[case]), statistics.median(paid[case])
        print(f"| `{case[0]}` | {case[1]} | {one:,.0f} | {other:,.0f} | {one / other:.2f} |")
    print(f"\nevents/s as counted: {min(rates):,.0f} … {max(rates):,.0f}")


if __name__ == "__main__":
    with machine_lock.waiting(lambda: nullcontext(print)), machine_lock.held():
        main(*map(int, sys.argv[1:]))
