"""Existing hooks: those on a workload that are not ours, found before ours is attached.

There are two ways, because neither finds all.  BPF programs are found by what they do: the
kernel's run count of each program on the workload's way goes up with each call, whatever it is
attached to.  Hooks without a program are looked up where the kernel lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ebpf_overhead.bpf import objects, pseudofs, syscall
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import Workload

_CALLS = 300
# By chance, a program that others run too may have run as often in one pass.
_PASSES = 3


@dataclass(frozen=True)
class ExistingHook:
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


def of(workload: Workload) -> tuple[ExistingHook, ...]:
    """Return the hooks on a workload, as far as this process may see them.

    Called while nothing of ours is attached to it.
    """
    return (*_programs(workload), *dict.fromkeys(_listed(workload)))


class ExistingHooks:
    """The existing hooks of workloads, as they were found last.

    Each method is called while nothing of ours is attached to the workload.
    """

    def __init__(self) -> None:
        self._last: dict[Workload, tuple[ExistingHook, ...]] = {}

    def of(self, workload: Workload) -> tuple[ExistingHook, ...]:
        """Return what `changed` found last; what is there now if it was not called before."""
        if workload not in self._last:
            self._last[workload] = of(workload)
        return self._last[workload]

    def changed(self, workload: Workload) -> tuple[ExistingHook, ...]:
        """Return the hooks that came or went since they were found last."""
        before = self.of(workload)
        now = self._last[workload] = of(workload)
        if set(now) == set(before):
            return ()
        # By chance, a program that others run too may have been taken for one on the workload.
        differing = (set(now) ^ set(before)) & (set(of(workload)) ^ set(before))
        return tuple(each for each in (*before, *now) if each in differing)


def _programs(workload: Workload) -> list[ExistingHook]:
    """Return the programs that run at least once per call."""
    try:
        with syscall.counting_runs():
            running = _running(workload)
            for _ in range(_PASSES - 1):
                if running:  # mostly there are none
                    running &= _running(workload)
    except (OSError, OverheadError):  # not allowed, or the workload cannot be called
        return []
    return [ExistingHook("bpf", f"program {number} {name}") for number, name in sorted(running)]


def _running(workload: Workload) -> set[tuple[int, str]]:
    before = objects.programs()
    calls = min(_CALLS, workload.checked_calls)
    _workload.run(workload.name, calls)
    return {
        (number, each.name)
        for number, each in objects.programs().items()
        if number in before and each.run_count - before[number].run_count >= calls
    }


def _listed(workload: Workload) -> Iterator[ExistingHook]:
    symbol = _symbols(workload)
    if symbol is None:
        return
    # ffffffff810e46d4  k  __x64_sys_getpid+0x0    [DISABLED][FTRACE]
    for line in _lines("debugfs", "kprobes/list"):
        fields = line.split()
        if len(fields) > 2 and symbol.fullmatch(fields[2]):
            # One that is disabled makes a second one more expensive, too.
            state = " (disabled)" if "[DISABLED]" in line else ""
            yield ExistingHook("kprobe", f"{fields[2]}{state}")
    # __x64_sys_getpid (1) R   	tramp: 0xffffffffc02...
    for line in _lines("tracefs", "enabled_functions"):
        name = line.partition(" ")[0]
        if symbol.fullmatch(name):
            yield ExistingHook("ftrace", name)
    for event in ("raw_syscalls/sys_enter", "raw_syscalls/sys_exit", *_events(workload)):
        if any(line.startswith("1") for line in _lines("tracefs", f"events/{event}/enable")):
            yield ExistingHook("tracepoint", event.replace("/", ":"))


def _symbols(workload: Workload) -> re.Pattern[str] | None:
    """Return what the functions of the workload are called, at any offset: all its aliases."""
    if workload.syscall is None:
        return None
    names = [rf"(?:__[a-z0-9]+_)?sys_{call}" for call in workload.times]
    if workload.security_hook is not None:
        names.append(f"(?:security|bpf_lsm)_{workload.security_hook}")
    return re.compile(rf"(?:{'|'.join(names)})(?:\+0x[0-9a-f]+)?")


def _events(workload: Workload) -> list[str]:
    return [
        f"syscalls/sys_{moment}_{call}" for call in workload.times for moment in ("enter", "exit")
    ]


def _lines(fstype: str, path: str) -> list[str]:
    try:
        return pseudofs.read_text(fstype, path).splitlines()
    except OSError:
        return []  # not allowed, or no such list on this kernel
