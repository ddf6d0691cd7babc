"""Places that a probe could be attached to, as users and other tools name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.cases import Target
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.loaded import entry_symbols
from ebpf_overhead.tracers.hooks import Point
from ebpf_overhead.tracers.symbols import is_syscall, matching_functions, user_offset

# Names of attach types elsewhere (bpftrace, libbpf's sections, BCC) -> the kernel's.
_ALIASES = {
    "k": "kprobe",
    "kr": "kretprobe",
    "kfunc": "fentry",
    "kretfunc": "fexit",
    "tp": "tracepoint",
    "t": "tracepoint",
    "rt": "raw_tracepoint",
    "raw_tp": "raw_tracepoint",
    "rawtracepoint": "raw_tracepoint",
    "u": "uprobe",
    "ur": "uretprobe",
}

# Kind of place -> attach types that can serve it, most specific first.
_FUNCTION = (
    "fentry",
    "fexit",
    "kprobe",
    "kretprobe",
    "kprobe_multi",
    "kretprobe_multi",
    "kprobe_session",
)
SERVED_BY = {
    "function": _FUNCTION,
    "syscall": (
        "tracepoint",
        "tracepoint_exit",
        *_FUNCTION,
        "raw_syscalls",
        "raw_tracepoint",
        "raw_tracepoint_exit",
        "tp_btf",
        "tp_btf_exit",
    ),
    "tracepoint": ("tp_btf", "raw_tracepoint", "tracepoint"),
    "user": ("uprobe", "uretprobe", "uprobe_multi", "uretprobe_multi", "uprobe_session"),
}
_KINDS = {
    "syscall": "syscall",
    **dict.fromkeys(("function", *_FUNCTION), "function"),
    **dict.fromkeys(("tracepoint", "raw_tracepoint", "tp_btf"), "tracepoint"),
    **dict.fromkeys(SERVED_BY["user"], "user"),
}


@dataclass(frozen=True)
class Place:
    """Something that runs and that a probe could be attached to.

    Attributes
    ----------
    kind : str
        ``function``, ``syscall``, ``tracepoint`` or ``user``.
    name : str
        Function, system call, ``category:event`` or bare event, or ``file:symbol``.
    attach : str or None
        Attach type by which it was named.
    """

    kind: str
    name: str
    attach: str | None = None

    def __str__(self) -> str:
        return self.name if self.kind in ("function", "user") else f"{self.kind}:{self.name}"

    def counting_points(self) -> list[Point]:
        """Return the hooks that can count it, cheapest first."""
        if self.kind == "function":
            return [Point("fentry", self.name), Point("kprobe", self.name)]
        if self.kind == "user":
            return [Point("uprobe", self.name)]
        if self.kind == "syscall":
            functions = entry_symbols(Target(self.name, self.name))
            return [
                *(Point("fentry", function) for function in functions),
                Point("tracepoint", f"syscalls:sys_enter_{self.name}"),
            ]
        event = self.name.rpartition(":")[2]
        return [
            Point("raw_tracepoint", event),
            *([Point("tracepoint", self.name)] if ":" in self.name else []),
        ]


def places_of(text: str, at_most: int) -> list[Place]:
    """Return what a text names.

    Parameters
    ----------
    text : str
        A kernel function or a glob of functions; ``kind:name`` as in bpftrace,
        ``kind/name`` as in libbpf's sections, with this project's and their names of
        kinds; ``syscall:name``; ``file:symbol``.
    at_most : int
        How many functions a glob may match.

    Raises
    ------
    BadUseError
        It names nothing here, or too much.
    """
    head, separator, rest = _split(text)
    word = _ALIASES.get(head, head)
    if not separator:
        return _functions(text, None, at_most)
    if word not in _KINDS:
        user_offset(text)  # says what is wrong with it
        return [Place("user", text)]
    return _named(word, rest, at_most)


def _split(text: str) -> tuple[str, str, str]:
    """Split ``kind:name`` or ``kind/name``; a path is not a kind."""
    match = re.match(r"([a-z_]+)([:/])(.+)", text)
    return (match[1], match[2], match[3]) if match else (text, ":" if ":" in text else "", "")


def _named(word: str, rest: str, at_most: int) -> list[Place]:
    kind = _KINDS[word]
    attach = None if word == kind else word
    if kind == "function":
        return _functions(rest, attach, at_most)
    if kind == "user":
        user_offset(rest)
        return [Place(kind, rest, attach)]
    if kind == "syscall":
        return [_syscall(rest, attach)]
    name = rest.replace("/", ":")
    syscall = re.fullmatch(r"syscalls:sys_enter_(\w+)", name)
    return [_syscall(syscall[1], "tracepoint") if syscall else Place(kind, name, word)]


def _syscall(name: str, attach: str | None) -> Place:
    if is_syscall(name) is False:
        raise BadUseError(f"no system call is called {name!r}", "see man 2 syscalls")
    return Place("syscall", name, attach)


def _functions(pattern: str, attach: str | None, at_most: int) -> list[Place]:
    if not re.search(r"[*?\[]", pattern):
        return [Place("function", pattern, attach)]
    return [Place("function", name, attach) for name in matching_functions(pattern, at_most)]
