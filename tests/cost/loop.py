"""Print how long the extension's loop takes as a share of a bare C program's, measured in turns.

    python tests/cost/loop.py [COMPARISONS]

Each comparison is the median of eleven turns of either (least of ten windows of 20,000
calls).  Nothing is asserted on it: on a machine with other load it is a matter of luck.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ebpf_overhead.workload import _workload

SOURCE = Path(__file__).resolve().parents[1] / "bare_loop.c"
CALLS, WINDOWS, TURNS = 20_000, 10, 11


def compare(bare_loop: str, cpu: int) -> float:
    """Median ns per call of the extension by that of the bare program."""
    command = [bare_loop, str(CALLS), str(WINDOWS), str(cpu)]
    bare, ours = [], []
    for _ in range(TURNS):
        bare.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
        ours.append(min(_workload.run("getpid", CALLS, WINDOWS, cpu=cpu)[0]) / CALLS)
    return statistics.median(ours) / statistics.median(bare)


def main(comparisons: int) -> None:
    """Build the bare program and compare."""
    cpu = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        bare_loop = f"{folder}/bare_loop"
        subprocess.run(["cc", "-O2", "-o", bare_loop, str(SOURCE)], check=True)
        for _ in range(comparisons):
            print(f"extension / bare C program: {compare(bare_loop, cpu):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
