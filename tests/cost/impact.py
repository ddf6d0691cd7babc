"""How often `impact` sees a difference where there is none: a tool without BPF programs.

    python tests/cost/impact.py [RUNS [OPTION of ebpf-overhead impact]...]

Of a hundred intervals of 99 %, about one should not contain zero.  By default there are ten runs
of ten workloads each, of short quarters.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

SHORT = ["--timeout=200ms", "--segment=150ms"]
COMMAND = "from ebpf_overhead.cli import main; main()"


def main() -> None:
    runs = int(sys.argv[1]) if sys.argv[1:] else 10
    options = sys.argv[2:] or SHORT
    rows = 0
    outside: dict[str, Counter[str]] = {"difference": Counter(), "again": Counter()}
    for number in range(runs):
        print(f"run {number + 1} of {runs}", file=sys.stderr)
        run = subprocess.run(
            [sys.executable, "-c", COMMAND, "impact", "--json", *options, "--", "sleep", "60"],
            stdout=subprocess.PIPE,
            check=True,
        )
        cases = json.loads(run.stdout)["cases"]
        rows += len(cases)
        for case in cases:
            for name, found in outside.items():
                found[case["workload"]] += not case[name]["low"] <= 0 <= case[name]["high"]
    for name, found in outside.items():
        contained = rows - found.total()
        places = ", ".join(f"{each} {times}" for each, times in found.items() if times)
        print(f"{name}: {contained} of {rows} rows contain zero; not: {places or 'none'}")


if __name__ == "__main__":
    main()
