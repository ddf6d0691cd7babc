"""Draw what a probe on getpid costs on two kernels, from the committed results.

    .venv/bin/python examples/two_kernels.py 6.12 7.3 two-kernels.svg

Needs matplotlib, and no privileges: nothing is measured.
"""

from __future__ import annotations

import sys

from matplotlib.figure import Figure

from ebpf_overhead.api import OverheadError, compare, rows


def draw(before: str, after: str, path: str) -> None:
    """Draw the overheads of the empty program, kernel beside kernel, into a file."""
    empty = [
        row
        for row in rows(compare(f"{before}:empty", f"{after}:empty"))
        if row["what"] == "overhead"
    ]
    names = [row["of"].removeprefix("getpid, ") for row in empty]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for place, (column, kernel) in enumerate((("before", before), ("after", after))):
        positions = [number + (place - 0.5) * 0.4 for number in range(len(empty))]
        axis.barh(positions, [row[column] for row in empty], height=0.4, label=f"Linux {kernel}")
    axis.set_yticks(range(len(empty)), names)
    axis.invert_yaxis()
    axis.set_xlabel("added to a call of getpid (instructions)")
    axis.legend()
    figure.savefig(path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} KERNEL KERNEL FILE")
    try:
        draw(*sys.argv[1:])
    except OverheadError as error:
        sys.exit(str(error))
