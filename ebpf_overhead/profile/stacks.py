"""Stacks of samples: from perf's text, and as folded lines, outermost frame first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

# "        ffffffff81d0d927 do_syscall_64 ([kernel.kallsyms])"
_FRAME = re.compile(r"^\s+[0-9a-f]+ (?P<name>.+?)(?:\+0x[0-9a-f]+)? \((?P<place>.*)\)$")


class Frame(NamedTuple):
    """A function on a stack.

    Attributes
    ----------
    name : str
        Its symbol; ``[unknown]`` where there is none.
    in_kernel : bool
        Whether it runs in the kernel; a BPF program does.
    place : str
        File, or what stands for the kernel.
    """

    name: str
    in_kernel: bool
    place: str = ""


Stack = tuple[Frame, ...]
Stacks = Counter[Stack]


def parse(text: str) -> Stacks:
    """Return how often each stack occurs in what ``perf script`` printed."""
    found: Stacks = Counter()
    for sample in text.split("\n\n"):
        frames = [match for line in sample.splitlines() if (match := _FRAME.match(line))]
        if frames:
            found[tuple(_frame(match) for match in reversed(frames))] += 1
    return found


def _frame(match: re.Match[str]) -> Frame:
    name, place = match["name"], match["place"]
    in_kernel = not place.startswith(("/", "[unknown]", "//anon", "[vdso]", "inlined"))
    return Frame(name, in_kernel, place)


def inside(stacks: Stacks, wanted: Callable[[Frame], bool]) -> Stacks:
    """Return what lies inside some functions: their callers cut off, other stacks left out."""
    found: Stacks = Counter()
    for stack, samples in stacks.items():
        for depth, frame in enumerate(stack):
            if wanted(frame):
                found[stack[depth:]] += samples
                break
    return found


def fold(stacks: Stacks) -> dict[str, int]:
    """Return stacks as other tools take them, ``outer;inner 12``; ``_[k]`` marks the kernel's."""
    folded: Counter[str] = Counter()
    for stack, samples in stacks.items():
        folded[";".join(_written(frame) for frame in stack)] += samples
    return dict(sorted(folded.items()))


def unfold(folded: dict[str, int]) -> Stacks:
    """Return folded stacks as they were, but for their places."""
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
