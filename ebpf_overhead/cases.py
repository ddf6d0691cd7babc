"""The catalogue: targets, attach types, cases, and the reference grid.

Nothing here touches the kernel; what a kernel cannot do is found out by trying, in
:mod:`ebpf_overhead.attach`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ebpf_overhead.catalogue import PROGRAMS, STANDARD_PROGRAMS, Program, programs_named
from ebpf_overhead.errors import BadUseError

__all__ = ["PROGRAMS", "STANDARD_PROGRAMS", "Program"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Target:
    """An operation that is timed.

    Attributes
    ----------
    name : str
        Name in results and for :func:`ebpf_overhead._workload.run`.
    syscall : str
        Name of the system call in tracefs, without the ``sys_enter_``.  Hooks of one system
        call go to this one.
    second_syscall : str or None
        The one that a call makes after it, where it makes two.
    """

    name: str
    syscall: str
    second_syscall: str | None = None


@dataclass(frozen=True)
class AttachType:
    """A way to hook a BPF program to a target.

    Attributes
    ----------
    name : str
        The kernel's (libbpf's) own name.
    hook : str
        What the program is attached to when the target is ``getpid``.
    system_wide : bool
        Whether the hook runs the program for every system call of every process, not
        only for the target.
    reference : bool
        Whether it is one of the reference benchmark's three.
    go_name : str
        Its name in ``BenchmarkGetpid…`` lines.
    """

    name: str
    hook: str
    system_wide: bool
    reference: bool
    go_name: str


@dataclass(frozen=True)
class Case:
    """One (target, attach type, program)."""

    target: Target
    attach: AttachType
    program: Program

    @property
    def name(self) -> str:
        """Name for people: ``getpid/tp_btf/simple``."""
        return f"{self.target.name}/{self.attach.name}/{self.program.name}"

    @property
    def runs_per_call(self) -> int:
        """How often the program runs for a call of the target."""
        return 2 if self.attach.system_wide and self.target.second_syscall else 1


GETPID = Target("getpid", syscall="getpid")

# From cheap to dear.
TARGETS = {
    target.name: target
    for target in (
        GETPID,
        Target("read", syscall="read"),
        Target("openat_close", syscall="openat", second_syscall="close"),
        Target("sendto", syscall="sendto"),
    )
}

ATTACH_TYPES = {
    attach.name: attach
    for attach in (
        AttachType("tracepoint", "syscalls:sys_enter_getpid", False, False, "SyscallTracepoint"),
        AttachType("raw_tracepoint", "sys_enter", True, False, "RawTracepoint"),
        # The reference benchmark calls this one "tracepoint".
        AttachType("tp_btf", "sys_enter", True, True, "Tracepoint"),
        AttachType("fentry", "__do_sys_getpid", False, True, "Fentry"),
        AttachType("kprobe", "__do_sys_getpid", False, True, "Kprobe"),
    )
}

# What is measured unless something else is asked for: the reference's three attach types
# and two further forms of tracepoint, each with the reference's three programs.
STANDARD_ATTACH_TYPES = ("tracepoint", "raw_tracepoint", "tp_btf", "fentry", "kprobe")
STANDARD_TARGETS = ("getpid",)


def select(
    attach: Iterable[str] = (), program: Iterable[str] = (), target: Iterable[str] = ()
) -> list[Case]:
    """Return the cases with the attach types, programs and targets named, in catalogue order.

    Parameters
    ----------
    attach, program, target : iterable of str
        Names; none means the standard ones.  A program may also be a group or a file, ``FILE.c``.

    Returns
    -------
    list of Case
        Program by program, each with its targets, each with its attach types; files come
        last.

    Raises
    ------
    BadUseError
        A name is not in the catalogue, or not a file.
    """
    attach_types = _pick("attach type", ATTACH_TYPES, attach or STANDARD_ATTACH_TYPES)
    programs = programs_named(list(program) or STANDARD_PROGRAMS)
    targets = _pick("target", TARGETS, target or STANDARD_TARGETS)
    return [
        Case(aim, each, chosen) for chosen in programs for aim in targets for each in attach_types
    ]


def reference_grid() -> list[Case]:
    """Return the nine probed cases of the reference benchmark."""
    return [case for case in select() if case.attach.reference]


def _pick(kind: str, catalogue: dict[str, _T], names: Iterable[str]) -> list[_T]:
    wanted = set(names)
    unknown = sorted(wanted - catalogue.keys())
    if unknown:
        choices = ", ".join(catalogue)
        raise BadUseError(f"no {kind} is called {unknown[0]!r}", f"choose of {choices}")
    return [entry for name, entry in catalogue.items() if name in wanted]
