"""What mapping and unmapping a page costs more while there is a uprobe, by where it is.

    cc -O2 -static -o bare_maps tests/bare_maps.c
    ebpf-overhead guest run 6.12 -- .venv/bin/python tests/cost/mappings.py bare_maps [PAGES...]

In a guest that counts instructions.  PAGES are how many pages the process has mapped before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.hook import Site, attach
from ebpf_overhead.hooks.symbols import user_point
from ebpf_overhead.programs.object_program import made

# Is mapped: any file that has no probe.
FILE = "/bin/true"
# What is said of each: the attach type, the function, and whether it is the process's own.
CONDITIONS = {
    "no probe": None,
    "uprobe of another process": ("uprobe", "emulated", False),
    "uprobe": ("uprobe", "emulated", True),
    "uprobe_multi": ("uprobe_multi", "emulated", True),
    "uprobe, single-stepped": ("uprobe", "stepped", True),
    "uretprobe": ("uretprobe", "emulated", True),
}


class Taken(NamedTuple):
    """Instructions of a mapping and unmapping, and how many mappings the process has."""

    anonymous: float
    file_to_read: float
    file_to_write: float
    mappings: float


def taken(program: str, condition: str, pages: int) -> Taken:
    """Return what a process takes under a condition."""
    probe = CONDITIONS[condition]
    called = probe[1] if probe is not None and probe[2] else "none"
    pipe = subprocess.PIPE
    words = [program, called, str(pages), FILE]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
        assert process.stdout is not None
        process.stdout.readline()
        if probe is not None:
            point = replace(user_point(f"{program}:{probe[1]}"), pid=process.pid if probe[2] else 1)
            stack.enter_context(attached(probe[0], point))
        out, _ = process.communicate("\n")
    return Taken(*map(float, out.splitlines()[-1].split()))


def attached(name: str, point: AttachPoint) -> ExitStack:
    """Attach a program that does nothing; what is returned detaches it."""
    stack = ExitStack()
    empty = made(select([name], ["empty"])[0].program)
    stack.callback(attach(Site(ATTACH_TYPES[name], point), empty.load).close)
    return stack


def main(program: str, pages: list[int]) -> None:
    """Print a line of JSON per condition and number of pages."""
    for more in pages:
        for condition in CONDITIONS:
            found = {"pages": more, "condition": condition}
            print(json.dumps(found | taken(program, condition, more)._asdict()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [int(each) for each in sys.argv[2:]] or [0])
