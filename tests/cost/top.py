"""What `top` shows of a program on tracepoints, beside what the program really adds.

    python tests/cost/top.py raw_syscalls|redis|redis_bystander [ROUNDS]

``raw_syscalls``: a program at the beginning of all system calls, and a thread that calls getpid
100,000 times per second.  ``redis``: one program on six tracepoints of redis-server, which
redis-benchmark keeps busy; ``redis_bystander``: a program there that never runs, on a system call
that nobody makes.  In each round the load runs
without the program, with it, with it while the kernel's statistics are on, with it, and without:
the third quarter is what `top` shows, the others are what is true, in ns per call or request.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ebpf_overhead.bpf.objects import programs
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.tracepoints import open_event
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.tools.top.dispatch import DispatchCosts, priced_as
from ebpf_overhead.tools.top.inventory import Inventory
from ebpf_overhead.tools.top.monitor import Statistics
from ebpf_overhead.tools.top.usage import picture
from ebpf_overhead.workload import _workload
from scripts import application_loads

QUARTER_S, SETTLING_S = 0.4, 0.05
CALLS_PER_S = 100_000
PLACES = {
    "raw_syscalls": ("raw_syscalls:sys_enter",),
    "redis": tuple(
        f"syscalls:sys_{end}_{name}"
        for name in ("read", "write", "epoll_wait")
        for end in ("enter", "exit")
    ),
    "redis_bystander": ("syscalls:sys_enter_sethostname",),
}
# Returns how many calls there were until now, and the time in ns that they took.
Count = Callable[[], tuple[int, int]]


def call(calls, spent_ns) -> None:
    """Call getpid so often, in bursts of a millisecond's worth."""
    burst, due_s = CALLS_PER_S // 1000, time.monotonic()
    while True:
        (elapsed_ns,), _ = _workload.run("getpid", burst, cpu=1)
        spent_ns.value += elapsed_ns
        calls.value += burst
        due_s = max(due_s + 0.001, time.monotonic() - 0.01)
        time.sleep(max(due_s - time.monotonic(), 0))


@contextmanager
def getpid_load() -> Iterator[Count]:
    """Have another process call getpid while the block runs."""
    calls, spent_ns = multiprocessing.Value("q", 0), multiprocessing.Value("q", 0)
    process = multiprocessing.Process(target=call, args=(calls, spent_ns))
    process.start()
    try:
        yield lambda: (calls.value, spent_ns.value)
    finally:
        process.kill()
        process.join()


@contextmanager
def redis_load() -> Iterator[Count]:
    """Have a server and its clients, on a CPU each, busy while the block runs."""
    with application_loads.redis() as server, server.busy():
        yield server.count


def quarter(count: Count) -> float:
    """Return the time of a call, or request, in ns."""
    time.sleep(SETTLING_S)
    calls, spent_ns = count()
    time.sleep(QUARTER_S)
    more_calls, more_ns = count()
    return (more_ns - spent_ns) / (more_calls - calls)


def one_round(
    count: Count,
    loaded: probe.Probe,
    places: tuple[str, ...],
    costs: DispatchCosts,
    once_per_call: bool,
) -> tuple[float, float, float]:
    """Return a call without the program, and what is added in truth and as shown, in ns.

    Where the program runs ``once_per_call``, what others call does not count for the load's calls.
    """
    before = quarter(count)
    fds = [open_event(loaded.program, AttachPoint(place), False) for place in places]
    details = Inventory().details(programs())
    first = quarter(count)
    with Statistics() as statistics:
        start, (calls, _) = statistics.read(), count()
        time.sleep(QUARTER_S)
        end, (more_calls, _) = statistics.read(), count()
    second = quarter(count)
    for fd in fds:
        os.close(fd)
    without = (before + quarter(count)) / 2
    number = loaded.program.info().prog_id
    ours = {number: details[number]}
    for reading in (start, end):
        for other in reading.programs.keys() - ours.keys():
            del reading.programs[other]
    seen = picture(start, end, ours, costs, os.cpu_count() or 1)
    times = seen.runs_per_s * seen.seconds if once_per_call else more_calls - calls
    shown = seen.total.estimate * seen.seconds * 1e9 / times
    return without, (first + second) / 2 - without, shown


def main() -> None:
    name, *rest = sys.argv[1:]
    rounds = int(rest[0]) if rest else 20
    places = PLACES[name]
    costs = DispatchCosts(Store(Path(os.devnull) / "costs"))  # nothing is kept
    with probe.load(select(["tracepoint"], ["simple"], ["getpid"])[0]) as loaded:
        fds = [open_event(loaded.program, AttachPoint(place), False) for place in places]
        hooks = Inventory().details(programs())[loaded.program.info().prog_id].attachments
        for fd in fds:
            os.close(fd)
        costs.learn({priced_as(hook) for hook in hooks})
        once_per_call = name == "raw_syscalls"
        with getpid_load() if once_per_call else redis_load() as count:
            found = [one_round(count, loaded, places, costs, once_per_call) for _ in range(rounds)]
    without, true, shown = np.median(found, axis=0)
    middle = [f"{low:,.0f} to {high:,.0f}" for low, high in np.percentile(found, [25, 75], 0).T]
    values = ("without", "true", "shown"), (without, true, shown), middle
    for what, value, spread in zip(*values, strict=True):
        print(f"{what}: {value:,.0f} ns (middle half {spread})")
    print(f"shown is {shown / true - 1:+.1%} of true; of a call {true / without:.1%} in truth")
    for kind in dict.fromkeys(map(priced_as, hooks)):
        print(f"dispatch of {kind}: {costs.of(kind).left_out}; slow path: {costs.slow_path}")


if __name__ == "__main__":
    main()
