"""What mapping and unmapping a page costs more while there is a uprobe, by where it is.

    cc -O2 -static -o bare_maps tests/bare_maps.c
    ebpf-overhead guest run 6.12 -- .venv/bin/python tests/cost/mappings.py bare_maps [PAGES...]
    ebpf-overhead guest run 6.12 -- .venv/bin/python tests/cost/mappings.py --number bare_maps

In a guest that counts instructions.  Of some processes the medians are printed: one in a hundred
takes 580 instructions more for all mappings of a kind, which was not explained.  PAGES are how many
pages the process has mapped before.  With ``--number``: by how many uprobes there are, of whom, and
on which file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.hook import Site, attach
from ebpf_overhead.hooks.symbols import user_point
from ebpf_overhead.programs.object_program import made

# An odd number of processes.
PROCESSES = 5
# Is mapped: any file that has no probe.
FILE = "/bin/true"
# The attach type, the function, and whether it is for the process that maps or for another one.
Uprobe = tuple[str, str, bool]
CONDITIONS: dict[str, list[Uprobe]] = {
    "no probe": [],
    "uprobe of another process": [("uprobe", "emulated", False)],
    "uprobe": [("uprobe", "emulated", True)],
    "uprobe_multi": [("uprobe_multi", "emulated", True)],
    "uprobe, single-stepped": [("uprobe", "stepped", True)],
    "uretprobe": [("uretprobe", "emulated", True)],
}


# How many there are besides, each as above.
OWN, ANOTHERS = ("uprobe", "emulated", True), ("uprobe", "emulated", False)
ON_ANOTHER_FILE = ("uprobe", "c:malloc", False)
NUMBERS = {
    "none": [],
    "1 of another process": [ANOTHERS],
    "10 of another process": [ANOTHERS] * 10,
    "10 of another process, on two files": [ANOTHERS, ON_ANOTHER_FILE] * 5,
    "1 in this process": [OWN],
    "2 in this process": [OWN] * 2,
    "10 in this process": [OWN] * 10,
    "1 in this process, 10 of another on two files": [OWN, *[ANOTHERS, ON_ANOTHER_FILE] * 5],
}


class Taken(NamedTuple):
    """Instructions of a mapping and unmapping, and how many mappings the process has."""

    anonymous: float
    file_to_read: float
    file_to_write: float
    mappings: float


def taken(program: str, probes: Sequence[Uprobe], pages: int) -> Taken:
    """Return the medians of what processes take while there are uprobes."""
    found = [taken_by_one(program, probes, pages) for _ in range(PROCESSES)]
    return Taken(*map(median, zip(*found, strict=True)))


def taken_by_one(program: str, probes: Sequence[Uprobe], pages: int) -> Taken:
    """Return what a process takes."""
    called = next((function for _, function, own in probes if own), "none")
    pipe = subprocess.PIPE
    words = [program, called, str(pages), FILE]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
        assert process.stdout is not None
        process.stdout.readline()
        for name, function, own in probes:
            place = function if ":" in function else f"{program}:{function}"
            point = replace(user_point(place), pid=process.pid if own else 1)
            stack.enter_context(attached(name, point))
        out, _ = process.communicate("\n")
    return Taken(*map(float, out.splitlines()[-1].split()))


def attached(name: str, point: AttachPoint) -> ExitStack:
    """Attach a program that does nothing; what is returned detaches it."""
    stack = ExitStack()
    empty = made(select([name], ["empty"])[0].program)
    stack.callback(attach(Site(ATTACH_TYPES[name], point), empty.load).close)
    return stack


def main(program: str, pages: list[int], conditions: Mapping[str, Sequence[Uprobe]]) -> None:
    """Print a line of JSON per condition and number of pages."""
    for more in pages:
        for condition, probes in conditions.items():
            found = {"pages": more, "condition": condition}
            print(json.dumps(found | taken(program, probes, more)._asdict()), flush=True)


if __name__ == "__main__":
    words = [each for each in sys.argv[1:] if each != "--number"]
    chosen = CONDITIONS if words == sys.argv[1:] else NUMBERS
    main(words[0], [int(each) for each in words[1:]] or [0], chosen)
