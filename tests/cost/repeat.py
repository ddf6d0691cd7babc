"""Do intervals hold what the next run finds?  `measure` in a number of processes, compared.

    python tests/cost/repeat.py [RUNS [OPTION of ebpf-overhead measure]...]

For each case: how far the estimates of the runs lie apart, how wide their intervals are, and how
many pairs of runs have intervals that do not meet.  Of intervals that hold the truth 99 times in
100, fewer than one pair in a thousand do not meet.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np

COMMAND = [sys.executable, "-c", "from ebpf_overhead.cli import main; main()", "measure"]


def main() -> None:
    runs = int(sys.argv[1]) if sys.argv[1:] else 8
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(runs):
        print(f"run {number + 1} of {runs}", file=sys.stderr)
        options = [*sys.argv[2:], "--format", "json"]
        run = subprocess.run([*COMMAND, *options], stdout=subprocess.PIPE, check=True)
        for case in json.loads(run.stdout)["cases"]:
            if "overhead" in case:
                found.setdefault(f"{case['attach']} {case['program']}", []).append(case["overhead"])
    apart = pairs = 0
    print("case                       lowest   highest  half-width (median)  pairs apart")
    for name, intervals in found.items():
        estimates = [each["estimate"] for each in intervals]
        half = np.median([(each["high"] - each["low"]) / 2 for each in intervals])
        both = list(itertools.combinations(intervals, 2))
        here = sum(max(a["low"], b["low"]) > min(a["high"], b["high"]) for a, b in both)
        apart, pairs = apart + here, pairs + len(both)
        print(f"{name:24} {min(estimates):8.1f}  {max(estimates):8.1f}  {half:19.1f}  {here:11}")
    print(f"{apart} of {pairs} pairs of intervals do not meet")


if __name__ == "__main__":
    main()
