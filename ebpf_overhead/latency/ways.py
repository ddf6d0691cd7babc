"""Ways in: which pair of hooks sees a function begin and return."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.cases import Target
from ebpf_overhead.errors import BadUseError, OverheadError, UnsupportedError
from ebpf_overhead.hooks.loaded import entry_symbols
from ebpf_overhead.tracers.hooks import Point
from ebpf_overhead.tracers.symbols import explain_name, is_syscall, is_traceable, user_offset

# Kinds of way, in the order in which they are tried: cheapest first.
KINDS = ("fentry/fexit", "kprobe/kretprobe", "tracepoints", "uprobe/uretprobe")

_SYSCALL_FUNCTION = re.compile(r"(?:__(?:do|se|x64|ia32|arm64|riscv|s390x)_)?sys_(\w+)")


@dataclass(frozen=True)
class Way:
    """A pair of hooks.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    entry, exit : Point
        Where a call begins, and where it returns.
    """

    kind: str
    entry: Point
    exit: Point


def ways_in(target: str) -> list[Way]:
    """Return the ways in to a target, cheapest first.

    Parameters
    ----------
    target : str
        A kernel function; ``syscall:NAME``; ``tracepoint:CATEGORY:ENTRY,EXIT``;
        ``FILE:FUNCTION`` or ``FILE:0xOFFSET`` of a program or library.

    Raises
    ------
    BadUseError
        The target cannot be read as any of these.
    """
    kind, _, rest = target.partition(":")
    if kind == "syscall":
        if is_syscall(rest) is False:
            raise BadUseError(f"no system call is called {rest!r}", "see man 2 syscalls")
        functions = list(entry_symbols(Target(rest, rest)))
        return [*_function_ways(functions), _syscall_tracepoints(rest)]
    if kind == "tracepoint":
        return [_tracepoint_pair(rest)]
    if rest:
        name = rest if kind in ("uprobe", "function") and ":" in rest else target
        user_offset(name)  # says what is wrong with it
        return [Way("uprobe/uretprobe", Point("uprobe", name), Point("uretprobe", name))]
    if not re.fullmatch(r"\w+", target):
        raise BadUseError(
            f"{target!r} is not the name of one function",
            "give a kernel function, syscall:NAME, tracepoint:CATEGORY:ENTRY,EXIT or FILE:FUNCTION",
        )
    ways = _function_ways([target])
    syscall = _SYSCALL_FUNCTION.fullmatch(target)
    return [*ways, _syscall_tracepoints(syscall[1])] if syscall else ways


def no_way(target: str, reasons: dict[str, OverheadError]) -> OverheadError:
    """Return the error for a target that no way leads to.

    Parameters
    ----------
    target : str
        What was to be traced.
    reasons : dict of str to OverheadError
        Kind of way -> why it failed.
    """
    if ":" not in target:
        wrong = explain_name(target)
        if wrong is not None:
            return wrong
        if is_traceable(target) is False:
            return UnsupportedError(
                f"{target} cannot be traced: ftrace has no place for a hook in it"
                " (notrace, or no room at its start)",
                "choose one of its callers or callees",
            )
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    details = "; ".join(f"{kind}: {error.what}" for kind, error in reasons.items())
    remedies = [error.remedy for error in reasons.values() if error.remedy]
    kind = type(next(iter(reasons.values())))
    return kind(f"{target} cannot be traced here: {details}", remedies[0] if remedies else "")


def _function_ways(functions: list[str]) -> list[Way]:
    pairs = (("fentry/fexit", "fentry", "fexit"), ("kprobe/kretprobe", "kprobe", "kretprobe"))
    return [
        Way(kind, Point(entry, function), Point(leave, function))
        for kind, entry, leave in pairs
        for function in functions
    ]


def _syscall_tracepoints(name: str) -> Way:
    return Way(
        "tracepoints",
        Point("tracepoint", f"syscalls:sys_enter_{name}"),
        Point("tracepoint", f"syscalls:sys_exit_{name}"),
    )


def _tracepoint_pair(text: str) -> Way:
    entry, comma, leave = text.partition(",")
    category, colon, _ = entry.partition(":")
    if not (comma and colon and leave):
        raise BadUseError(
            f"tracepoint:{text} does not name two tracepoints",
            "give both, like tracepoint:irq:softirq_entry,softirq_exit",
        )
    if ":" not in leave:
        leave = f"{category}:{leave}"
    return Way("tracepoints", Point("tracepoint", entry), Point("tracepoint", leave))
