"""A C program of our own that measures a probe with libbpf alone, to compare the project with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.bpf import libbpf

SOURCE = Path(__file__).parent / "bare_probe.c"
OBJECTS = Path(__file__).parent / "data" / "objects"
# What an object's name says of its section, and the attach type.
SECTIONS = {"tp_btf": "tracepoint", "fentry": "fentry", "kprobe": "kprobe"}
PROGRAMS = ("empty", "simple", "complex")


class Bare(NamedTuple):
    """What a call takes, in ns or instructions."""

    without: float
    probed: float

    @property
    def overhead(self) -> float:
        return self.probed - self.without


def build(folder: Path) -> Path:
    """Compile the program, linked with the libbpf that is here, whose header is not needed."""
    libbpf.library()  # raises MissingToolError
    made = folder / "bare_probe"
    subprocess.run(["cc", "-O2", "-o", made, SOURCE, "-l:libbpf.so.1"], check=True)
    return made


def words(
    made: Path, attach: str, program: str, *, calls: int, windows: int, rounds: int, cpu: int
) -> list[str]:
    """Return the command that measures a case; the name of the process may follow."""
    file = OBJECTS / f"{program}-{SECTIONS[attach]}.bpf.o"
    return [str(made), str(file), str(calls), str(windows), str(rounds), str(cpu)]


def parse(text: str) -> Bare:
    """Return what it printed."""
    return Bare(*map(float, text.split()))
