"""How long an object file takes before it is measured: read, relocated by libbpf, and loaded.

    python tests/cost/objects.py [TIMES [FILE...]]

Each time in a process of its own, in which nothing is there yet.  By default ten times each of
the objects in tests/data that this kernel takes.  Where others use the CPUs, too, the time of the
CPU says more, that of the process which libbpf runs in included.  Nothing is attached: a uprobe
that is tried and detached again waits for the kernel, which is not loading.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

OBJECTS = Path(__file__).parents[1] / "data" / "objects"
LOAD = """
import resource, sys, time
from dataclasses import replace
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.probe import load
def cpu():
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
case = select([], [sys.argv[1]])[0]
case = replace(case, attach=replace(case.attach, tried=False))
began, cpu_began = time.perf_counter(), cpu()
try:
    probe = load(case)
except OverheadError as error:
    sys.exit(str(error))
print(time.perf_counter() - began, cpu() - cpu_began)
probe.close()
"""


def main() -> None:
    times = int(sys.argv[1]) if sys.argv[1:] else 10
    files = list(map(Path, sys.argv[2:])) or sorted(OBJECTS.glob("*.bpf.o"))
    most_ms = [0.0, 0.0]
    for path in files:
        runs = [_once(path) for _ in range(times)]
        found = [tuple(map(float, each.stdout.split())) for each in runs if not each.returncode]
        if not found:
            print(f"{path.name}: {runs[0].stderr.strip().splitlines()[-1]}")
            continue
        middle_ms = [1e3 * statistics.median(each) for each in zip(*found, strict=True)]
        most_ms = [max(pair) for pair in zip(most_ms, middle_ms, strict=True)]
        print(f"{path.name}: {middle_ms[0]:.0f} ms, {middle_ms[1]:.0f} ms of the CPU")
    print(f"most: {most_ms[0]:.0f} ms, {most_ms[1]:.0f} ms of the CPU")


def _once(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", LOAD, str(path.absolute())]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
