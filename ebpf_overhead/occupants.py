"""Who is on a target already: hooks that are not ours, found before ours is attached.

Two ways, because neither finds all.  BPF programs are found by what they do: calling the
target makes the kernel's run count of each program on its way go up, whatever it is attached
to.  Hooks without a program are looked up where the kernel lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ebpf_overhead import _workload, bpf, pseudofs
from ebpf_overhead.cases import Target
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.loaded import objects

_CALLS = 300
# A program that others run, too, may by chance have run as often in one pass.
_PASSES = 3


@dataclass(frozen=True)
class Occupant:
    """A hook of somebody else's.

    Attributes
    ----------
    kind : str
        ``bpf`` for a program that runs; ``kprobe``, ``ftrace`` or ``tracepoint`` for a
        hook that the kernel lists.
    name : str
        The program's id and name; the function or event.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def of(target: Target) -> tuple[Occupant, ...]:
    """Return the hooks on a target, as far as this process may see them.

    Called while nothing of ours is attached to it.
    """
    return (*_programs(target), *dict.fromkeys(_listed(target)))


def _programs(target: Target) -> list[Occupant]:
    """Return the programs that run at least once a call."""
    try:
        with bpf.counting_runs():
            running = _running(target)
            for _ in range(_PASSES - 1):
                if running:  # mostly there are none
                    running &= _running(target)
    except (OSError, OverheadError):  # not allowed, or the target cannot be called
        return []
    return [Occupant("bpf", f"program {number} {name}") for number, name in sorted(running)]


def _running(target: Target) -> set[tuple[int, str]]:
    before = objects.programs()
    _workload.run(target.name, _CALLS)
    return {
        (number, each.name)
        for number, each in objects.programs().items()
        if number in before and each.run_count - before[number].run_count >= _CALLS
    }


def _listed(target: Target) -> Iterator[Occupant]:
    symbol = _symbols(target)
    if symbol is None:
        return
    # ffffffff810e46d4  k  __x64_sys_getpid+0x0    [FTRACE]
    for line in _lines("debugfs", "kprobes/list"):
        fields = line.split()
        if len(fields) > 2 and "[DISABLED]" not in fields and symbol.fullmatch(fields[2]):
            yield Occupant("kprobe", fields[2])
    # __x64_sys_getpid (1) R   	tramp: 0xffffffffc02...
    for line in _lines("tracefs", "enabled_functions"):
        name = line.partition(" ")[0]
        if symbol.fullmatch(name):
            yield Occupant("ftrace", name)
    for event in ("raw_syscalls/sys_enter", "raw_syscalls/sys_exit", *_events(target)):
        if any(line.startswith("1") for line in _lines("tracefs", f"events/{event}/enable")):
            yield Occupant("tracepoint", event.replace("/", ":"))


def _symbols(target: Target) -> re.Pattern[str] | None:
    """Return what the target's functions are called, at any offset: all its aliases."""
    if target.syscall is None:
        return None
    names = [
        rf"(?:__[a-z0-9]+_)?sys_{call}"
        for call in (target.syscall, target.second_syscall)
        if call is not None
    ]
    if target.security_hook is not None:
        names.append(f"(?:security|bpf_lsm)_{target.security_hook}")
    return re.compile(rf"(?:{'|'.join(names)})(?:\+0x[0-9a-f]+)?")


def _events(target: Target) -> list[str]:
    calls = [call for call in (target.syscall, target.second_syscall) if call is not None]
    return [f"syscalls/sys_{moment}_{call}" for call in calls for moment in ("enter", "exit")]


def _lines(fstype: str, path: str) -> list[str]:
    try:
        return pseudofs.read_text(fstype, path).splitlines()
    except OSError:
        return []  # not allowed, or no such list on this kernel
