"""Stacks of samples, from perf's text and as folded lines, with the outermost frame first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from ebpf_overhead.printable import printable

# "        ffffffff81d0d927 do_syscall_64 ([kernel.kallsyms])"
_FRAME = re.compile(r"^\s+[0-9a-f]+ (?P<name>.+?)(?:\+0x[0-9a-f]+)? \((?P<place>.*)\)$")


class Frame(NamedTuple):
    """A function on a stack.

    Attributes
    ----------
    name : str
        Its symbol; ``[unknown]`` without one.
    in_kernel : bool
        Whether it runs in the kernel, as BPF programs do.
    place : str
        File, or the kernel's name in perf.
    """

    name: str
    in_kernel: bool
    place: str = ""


Stack = tuple[Frame, ...]
Stacks = Counter[Stack]


def parse(text: str) -> Stacks:
    """Return how often each stack occurs in the output of ``perf script``."""
    found: Stacks = Counter()
    for sample in text.split("\n\n"):
        frames = [match for line in sample.splitlines() if (match := _FRAME.match(line))]
        if frames:
            found[tuple(_frame(match) for match in reversed(frames))] += 1
    return found


def _frame(match: re.Match[str]) -> Frame:
    name, place = printable(match["name"]), printable(match["place"])
    in_kernel = not place.startswith(("/", "[unknown]", "//anon", "[vdso]", "inlined"))
    return Frame(name, in_kernel, place)


def inside(stacks: Stacks, wanted: Callable[[Frame], bool]) -> Stacks:
    """Return the stacks inside some functions, without their callers and other stacks."""
    found: Stacks = Counter()
    for stack, samples in stacks.items():
        for depth, frame in enumerate(stack):
            if wanted(frame):
                found[stack[depth:]] += samples
                break
    return found


def fold(stacks: Stacks) -> dict[str, int]:
    """Return stacks in the form of other tools, ``outer;inner 12``; ``_[k]`` marks the kernel."""
    folded: Counter[str] = Counter()
    for stack, samples in stacks.items():
        folded[";".join(_written(frame) for frame in stack)] += samples
    return dict(sorted(folded.items()))


def unfold(folded: dict[str, int]) -> Stacks:
    """Return the stacks of folded lines, without their places."""
    found: Stacks = Counter()
    for line, samples in folded.items():
        found[tuple(_read(word) for word in line.split(";"))] += samples
    return found


_KERNEL = "_[k]"


def _written(frame: Frame) -> str:
    name = frame.name.replace(";", ":")
    return name + _KERNEL if frame.in_kernel else name


def _read(word: str) -> Frame:
    in_kernel = word.endswith(_KERNEL)
    return Frame(word.removesuffix(_KERNEL), in_kernel)
