"""Pairs of hooks that see a function begin and return."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass

from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, TRACEPOINT, USER, AttachType
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, COUNTING
from ebpf_overhead.hooks.elf import has_go_code
from ebpf_overhead.hooks.function_returns import returns_of
from ebpf_overhead.hooks.hook import Site
from ebpf_overhead.hooks.symbols import (
    check_length,
    entry_symbols,
    explain_name,
    is_traceable,
    not_traceable,
    require_syscall,
    user_point,
)


def _kind(entry: AttachType) -> str:
    """Return the name of a pair, from the attach type at the entry."""
    # A pair of tracepoints may be any two tracepoints.
    return entry.group if TRACEPOINT in entry.serves else f"{entry.name}/{entry.at_return}"


# Kind of pair -> attach types at entry and return, cheapest first.
_PAIRS = {_kind(each): (each, ATTACH_TYPES[each.at_return]) for each in COUNTING if each.at_return}
TRACEPOINTS = next(kind for kind, (entry, _) in _PAIRS.items() if TRACEPOINT in entry.serves)
# Go moves stacks, so nothing may replace its return addresses: a uprobe on each return.
AT_RETURNS = "uprobe/ret"
_ENTRY_OF_USER = next(each for each in COUNTING if USER in each.serves)
KINDS = (*_PAIRS, AT_RETURNS)
# What may stand before ``file:function``.
_BEFORE_A_FILE = {FUNCTION, *(each.name for each in ATTACH_TYPES.values() if USER in each.serves)}

# Offsets in struct pt_regs of the stack pointer, and of the register of Go's goroutine: r14, x28.
REGISTERS = ("STACK_POINTER", "GOROUTINE")
_REGISTERS = {
    "x86_64": {"STACK_POINTER": 152, "GOROUTINE": 8},
    "aarch64": {"STACK_POINTER": 248, "GOROUTINE": 224},
}

_SYSCALL_FUNCTION = re.compile(r"(?:__(?:do|se|x64|ia32|arm64|riscv|s390x)_)?sys_(\w+)")


@dataclass(frozen=True)
class HookPair:
    """A pair of hooks.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    entry : Site
        The hook at the entry of a call.
    exits : tuple of Site
        The hooks at its return: one, or one on each instruction that returns.
    """

    kind: str
    entry: Site
    exits: tuple[Site, ...]

    @property
    def exit(self) -> Site:
        """The first of the hooks at the return."""
        return self.exits[0]

    def registers(self) -> dict[str, int]:
        """Return the constants of ``latency.c`` that say where registers are.

        Zero where the hooks see none, or where they tell nothing: Go's stacks move.
        """
        place = _REGISTERS.get(platform.machine(), dict.fromkeys(REGISTERS, 0))
        moves = self.kind == AT_RETURNS
        sees = self.entry.attach_type.prog_type is ProgType.KPROBE
        return {
            "STACK_POINTER": place["STACK_POINTER"] if sees and not moves else 0,
            "GOROUTINE": place["GOROUTINE"] if moves else 0,
        }


def pairs_on(target: str) -> list[HookPair]:
    """Return the pairs of hooks for a target, cheapest first.

    Parameters
    ----------
    target : str
        A kernel function; ``syscall:NAME``; ``tracepoint:CATEGORY:ENTRY,EXIT``;
        ``FILE:FUNCTION`` or ``FILE:0xOFFSET`` of a program or library.

    Raises
    ------
    BadUseError
        The target is none of these.
    """
    check_length(target)
    kind, _, rest = target.partition(":")
    if kind == SYSCALL:
        require_syscall(rest)
        functions = [AttachPoint(symbol) for symbol in entry_symbols(rest)]
        return [*_pairs(FUNCTION, functions), _syscall_tracepoints(rest)]
    if kind == TRACEPOINT:
        return [_tracepoint_pair(rest)]
    if rest:
        name = rest if kind in _BEFORE_A_FILE and ":" in rest else target
        return _on_user_function(user_point(name))
    if not re.fullmatch(r"[\w.]+", target):
        raise BadUseError(
            f"{target!r} is not the name of one function",
            "give a kernel function, syscall:NAME, tracepoint:CATEGORY:ENTRY,EXIT or FILE:FUNCTION",
        )
    pairs = _pairs(FUNCTION, [AttachPoint(target)])
    syscall = _SYSCALL_FUNCTION.fullmatch(target)
    return [*pairs, _syscall_tracepoints(syscall[1])] if syscall else pairs


def in_user_space(kind: str) -> bool:
    """Whether a kind of pair is for functions in user space."""
    return kind == AT_RETURNS or USER in _PAIRS[kind][0].serves


def no_pair(target: str, reasons: dict[str, OverheadError]) -> OverheadError:
    """Return the error for a target on which no pair of hooks works.

    Parameters
    ----------
    target : str
        The target.
    reasons : dict of str to OverheadError
        Kind of pair -> why it failed.
    """
    if ":" not in target:
        wrong = explain_name(target)
        if wrong is not None:
            return wrong
        if is_traceable(target) is False:
            return not_traceable(target)
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    details = "; ".join(f"{kind}: {error.what}" for kind, error in reasons.items())
    remedies = [error.remedy for error in reasons.values() if error.remedy]
    kind = type(next(iter(reasons.values())))
    return kind(f"{target} cannot be traced here: {details}", remedies[0] if remedies else "")


def user_pair(kind: str, point: AttachPoint) -> HookPair:
    """Return a pair of hooks on a function in user space.

    Raises
    ------
    UnsupportedError
        A hook on each return is wanted, and the returns are not known.
    """
    if kind != AT_RETURNS:
        return next(pair for pair in _pairs(USER, [point]) if pair.kind == kind)
    exits = tuple(Site(_ENTRY_OF_USER, each) for each in returns_of(point))
    return HookPair(AT_RETURNS, Site(_ENTRY_OF_USER, point), exits)


def _on_user_function(point: AttachPoint) -> list[HookPair]:
    at_returns = [user_pair(AT_RETURNS, point)] if has_go_code(str(point.path)) else []
    return [*at_returns, *_pairs(USER, [point])]


def _pairs(served: str, points: list[AttachPoint]) -> list[HookPair]:
    """Return the pairs for a kind of attach point, each at each of the points."""
    return [
        HookPair(kind, Site(entry, point), (Site(leave, point),))
        for kind, (entry, leave) in _PAIRS.items()
        if served in entry.serves
        for point in points
    ]


def _syscall_tracepoints(name: str) -> HookPair:
    return _tracepoints(f"syscalls:sys_enter_{name}", f"syscalls:sys_exit_{name}")


def _tracepoints(entry: str, leave: str) -> HookPair:
    # Any two tracepoints: the second one need not be a return.
    attach_type, _ = _PAIRS[TRACEPOINTS]
    sites = [Site(attach_type, AttachPoint(name)) for name in (entry, leave)]
    return HookPair(TRACEPOINTS, sites[0], (sites[1],))


def _tracepoint_pair(text: str) -> HookPair:
    entry, comma, leave = text.partition(",")
    category, colon, _ = entry.partition(":")
    if not (comma and colon and leave):
        raise BadUseError(
            f"tracepoint:{text} does not name two tracepoints",
            "give both, like tracepoint:irq:softirq_entry,softirq_exit",
        )
    if ":" not in leave:
        leave = f"{category}:{leave}"
    return _tracepoints(entry, leave)
