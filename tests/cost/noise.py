"""What load beside it does to `measure`: bias and width, by where the load runs.

    python tests/cost/noise.py [RUNS [COMMAND of ebpf-overhead]]

Each load is started, `measure` runs beside it, and the load is ended.  The runs of all loads take
turns.  Bias is the distance to the median of the runs without a load.  By another command, such as
an older installation's, the same can be seen of another version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import Any

import numpy as np

SPIN = "while True: pass"
STREAM = "import numpy as np\na, b = np.ones(1 << 25), np.ones(1 << 25)\nwhile True: b[:] = a"
MEASURED, OTHER = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))
# Of each load: what runs where, and where it is measured.
LOADS: dict[str, tuple[str | None, int, list[str]]] = {
    "none": (None, OTHER, [f"--cpu={MEASURED}"]),
    "other core busy": (SPIN, OTHER, [f"--cpu={MEASURED}"]),
    "other core copies memory": (STREAM, OTHER, [f"--cpu={MEASURED}"]),
    "same core busy": (SPIN, MEASURED, [f"--cpu={MEASURED}"]),
    "last core busy, CPU chosen": (SPIN, MEASURED, []),
}


def main() -> None:
    runs = int(sys.argv[1]) if sys.argv[1:] else 4
    ours = [sys.executable, "-c", "from ebpf_overhead.cli import main; main()"]
    command = sys.argv[2:] or ours
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LOADS}
    for number in range(runs):
        for name, (code, cpu, options) in LOADS.items():
            print(f"run {number + 1} of {runs}: {name}", file=sys.stderr)
            with loaded(code, cpu):
                run = subprocess.run(
                    [*command, "measure", "--json", *options], stdout=subprocess.PIPE, check=True
                )
            found[name].append(json.loads(run.stdout))
    show(found)


@contextmanager
def loaded(code: str | None, cpu: int) -> Any:
    """Run some Python on a CPU while the block runs."""
    if code is None:
        yield
        return
    pin = f"import os; os.sched_setaffinity(0, [{cpu}])\n"
    process = subprocess.Popen([sys.executable, "-c", pin + code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    quiet = {
        name: np.median([each["estimate"] for each in intervals])
        for name, intervals in by_case(found["none"]).items()
    }
    print("load                        bias, ns: median  largest  half-width  hold  preempted")
    for load, records in found.items():
        biases, widths, holds, cases = [], [], 0, 0
        for name, intervals in by_case(records).items():
            middle = np.median([each["estimate"] for each in intervals])
            biases.append(middle - quiet[name])
            widths += [(each["high"] - each["low"]) / 2 for each in intervals]
            cases += 1
            # Runs without a load differ, too: the middle of the runs is to be in the middle one.
            low, high = (np.median([each[end] for each in intervals]) for end in ("low", "high"))
            holds += bool(low <= quiet[name] <= high)
        lost = [case.get("preempted", 0) for each in records for case in each["cases"]]
        windows = [2 * case.get("windows", 0) for each in records for case in each["cases"]]
        largest = max(biases, key=abs)
        print(
            f"{load:26} {np.median(biases):17.1f} {largest:8.1f} {np.median(widths):11.1f}"
            f" {holds:3}/{cases} {sum(lost) / sum(windows):9.1%}"
        )


def by_case(records: list[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for record in records:
        for case in record["cases"]:
            if "overhead" in case:
                name = f"{case['attach']} {case['program']}"
                found.setdefault(name, []).append(case["overhead"])
    return found


if __name__ == "__main__":
    main()
