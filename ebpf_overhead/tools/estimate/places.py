"""Attach points for probes, as users and other tools name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, USER, AttachType
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, COUNTING
from ebpf_overhead.hooks.first_instruction import FirstInstruction, first_instruction
from ebpf_overhead.hooks.hook import Site
from ebpf_overhead.hooks.symbols import (
    check_length,
    matching_functions,
    require_syscall,
    user_point,
)
from ebpf_overhead.workload.workloads import Workload

# Names of attach types in other tools (bpftrace, sections of libbpf, BCC) -> our names.
_ALIASES = {alias: each.name for each in ATTACH_TYPES.values() for alias in each.aliases}
# First word of a name -> kind of place.  System calls have their own word.
_KINDS = {
    **{kind: kind for kind in (SYSCALL, FUNCTION)},
    **{
        each.name: kind for each in ATTACH_TYPES.values() for kind in each.serves if kind != SYSCALL
    },
}


@dataclass(frozen=True)
class Place:
    """Something that runs and to which a probe can be attached.

    Attributes
    ----------
    kind : str
        ``function``, ``syscall``, ``tracepoint`` or ``user``.
    name : str
        Function, system call, ``category:event`` or bare event, or ``file:symbol``.
    attach : str or None
        Attach type in its name.
    """

    kind: str
    name: str
    attach: str | None = None

    def __str__(self) -> str:
        return self.name if self.kind in (FUNCTION, USER) else f"{self.kind}:{self.name}"

    @property
    def first_instruction(self) -> FirstInstruction | None:
        """What a uprobe on it replaces; None for what is in the kernel."""
        return first_instruction(user_point(self.name)) if self.kind == USER else None

    def counting_sites(self) -> list[Site]:
        """Return the hooks that can count it, cheapest first."""
        return [
            Site(each, point)
            for each in COUNTING
            # A hook of all system calls would also count the others.
            if self.kind in each.serves and not (self.kind == SYSCALL and each.system_wide)
            for point in self._points(each)
        ]

    def _points(self, attach: AttachType) -> Iterator[AttachPoint]:
        if self.kind == SYSCALL:
            yield from attach.points(Workload(self.name, syscall=self.name))
        elif self.kind == USER:
            yield user_point(self.name)
        elif self.kind == FUNCTION:
            yield AttachPoint(self.name)
        elif attach.prog_type is not ProgType.TRACEPOINT:
            yield AttachPoint(self.name.rpartition(":")[2])
        elif ":" in self.name:  # perf needs the category of an event
            yield AttachPoint(self.name)


def serving(kind: str) -> list[AttachType]:
    """Return the attach types for a kind of place, the most specific first."""
    found = [each for each in ATTACH_TYPES.values() if kind in each.serves]
    return sorted(found, key=lambda each: each.system_wide)


def places_of(text: str, at_most: int) -> list[Place]:
    """Return the places that a text names.

    Parameters
    ----------
    text : str
        A kernel function or a glob of functions; ``kind:name`` as in bpftrace; ``kind/name``
        as in sections of libbpf; ``syscall:name``; ``file:symbol``.  Kinds have the names of
        this project or of those tools.
    at_most : int
        Maximum number of functions that a glob may match.

    Raises
    ------
    BadUseError
        It names nothing on this machine, or too many functions.
    """
    check_length(text)
    head, separator, rest = _split(text)
    word = _ALIASES.get(head, head)
    if not separator:
        return _functions(text, None, at_most)
    if word not in _KINDS:
        user_point(text)  # raises what is wrong with it
        return [Place(USER, text)]
    return _named(word, rest, at_most)


def _split(text: str) -> tuple[str, str, str]:
    """Split ``kind:name`` or ``kind/name``, but not a path."""
    match = re.match(r"([a-z_]+)([:/])(.+)", text)
    return (match[1], match[2], match[3]) if match else (text, ":" if ":" in text else "", "")


def _named(word: str, rest: str, at_most: int) -> list[Place]:
    kind = _KINDS[word]
    attach = word if word in ATTACH_TYPES else None
    if kind == FUNCTION:
        return _functions(rest, attach, at_most)
    if kind == USER:
        user_point(rest)
        return [Place(kind, rest, attach)]
    if kind == SYSCALL:
        return [_syscall(rest, attach)]
    name = rest.replace("/", ":")
    syscall = re.fullmatch(r"syscalls:sys_enter_(\w+)", name)
    return [_syscall(syscall[1], attach) if syscall else Place(kind, name, attach)]


def _syscall(name: str, attach: str | None) -> Place:
    require_syscall(name)
    return Place(SYSCALL, name, attach)


def _functions(pattern: str, attach: str | None, at_most: int) -> list[Place]:
    if not re.search(r"[*?\[]", pattern):
        return [Place(FUNCTION, pattern, attach)]
    return [Place(FUNCTION, name, attach) for name in matching_functions(pattern, at_most)]
