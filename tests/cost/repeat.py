"""Do intervals hold what the next run finds?  `measure` in a number of processes, compared.

    python tests/cost/repeat.py [RUNS [OPTION of ebpf-overhead measure]...]

For each case: how far the estimates of the runs lie apart, how wide their intervals are, and how
many pairs of runs have intervals that do not meet.  Of intervals that hold the truth 99 times in
100, fewer than one pair in a thousand do not meet.  Then, from the same windows: the standard
deviation, between the runs, of this and other estimates of an overhead.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-c", "from ebpf_overhead.cli import main; main()", "measure"]


def pooled(quantile: float) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return the estimate by a quantile of all windows of a case."""
    return lambda probed, baseline: float(
        np.quantile(probed, quantile) - np.quantile(baseline, quantile)
    )


def of_blocks(probed: np.ndarray, baseline: np.ndarray) -> float:
    """Return the Hodges-Lehmann estimate of the differences of medians of half blocks."""
    differences = np.median(probed, axis=1) - np.median(baseline, axis=1)
    first, second = np.triu_indices(differences.size)
    return float(np.median((differences[first] + differences[second]) / 2))


ESTIMATES = {
    "minimum": pooled(0),
    "5 % quantile": pooled(0.05),
    "10 % quantile": pooled(0.1),
    "25 % quantile": pooled(0.25),
    "median": pooled(0.5),
    "Hodges-Lehmann of blocks": of_blocks,
}


def main() -> None:
    runs = int(sys.argv[1]) if sys.argv[1:] else 8
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(runs):
        print(f"run {number + 1} of {runs}", file=sys.stderr)
        options = [*sys.argv[2:], "--format", "json"]
        run = subprocess.run([*COMMAND, *options], stdout=subprocess.PIPE, check=True)
        for case in json.loads(run.stdout)["cases"]:
            if "overhead" in case:
                found.setdefault(f"{case['attach']} {case['program']}", []).append(case)
    compare(found)
    spread(found)


def compare(found: dict[str, list[dict[str, Any]]]) -> None:
    apart = pairs = 0
    print("case                       lowest   highest  half-width (median)  pairs apart")
    for name, cases in found.items():
        intervals = [each["overhead"] for each in cases]
        estimates = [each["estimate"] for each in intervals]
        half = np.median([(each["high"] - each["low"]) / 2 for each in intervals])
        both = list(itertools.combinations(intervals, 2))
        here = sum(max(a["low"], b["low"]) > min(a["high"], b["high"]) for a, b in both)
        apart, pairs = apart + here, pairs + len(both)
        print(f"{name:24} {min(estimates):8.1f}  {max(estimates):8.1f}  {half:19.1f}  {here:11}")
    print(f"{apart} of {pairs} pairs of intervals do not meet")


def spread(found: dict[str, list[dict[str, Any]]]) -> None:
    print("\nestimate                   standard deviation between runs, lowest and highest case")
    by_case = list(found.values())
    show("reported", [[case["overhead"]["estimate"] for case in cases] for cases in by_case])
    for name, estimate in ESTIMATES.items():
        show(name, [[estimate(*halves(case)) for case in cases] for cases in by_case])


def show(name: str, estimates: list[list[float]]) -> None:
    deviations = [np.std(each, ddof=1) for each in estimates]
    print(f"{name:24} {min(deviations):8.1f}  {max(deviations):8.1f}")


def halves(case: dict[str, Any]) -> list[np.ndarray]:
    """Return the probed and the baseline windows of a case, a row for each half block."""
    return [
        np.reshape(case["samples"][which], (-1, case["windows_per_block"]))
        for which in ("probed", "baseline")
    ]


if __name__ == "__main__":
    main()
