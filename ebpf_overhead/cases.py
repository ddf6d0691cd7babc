"""The catalogue: targets, attach types, programs, and the reference grid.

Nothing here touches the kernel; what a kernel cannot do is found out by trying, in
:mod:`ebpf_overhead.attach`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ebpf_overhead.errors import BadUseError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Target:
    """An operation that is timed.

    Attributes
    ----------
    name : str
        Name in results and for :func:`ebpf_overhead._workload.run`.
    syscall : str
        Name of the system call in tracefs, without the ``sys_enter_``.
    """

    name: str
    syscall: str


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
class Program:
    """What a BPF program does when it runs; the source is ``probes/<name>.c``.

    Attributes
    ----------
    name : str
        Name in results.
    go_name : str
        Its name in ``BenchmarkGetpid…`` lines.
    summary : str
        One line for tables and help.
    """

    name: str
    go_name: str
    summary: str


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


GETPID = Target("getpid", syscall="getpid")

TARGETS = {target.name: target for target in (GETPID,)}

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

PROGRAMS = {
    program.name: program
    for program in (
        Program("empty", "NoMap", "does nothing at all"),
        Program("simple", "SimpleMap", "increments a hash map, key = pid"),
        Program(
            "complex", "ComplexMap", "increments a hash map, key = pid, time % 1024, command name"
        ),
    )
}

# What is measured unless something else is asked for: the reference's three attach types
# and two further forms of tracepoint, each with the reference's three programs.
STANDARD_ATTACH_TYPES = ("tracepoint", "raw_tracepoint", "tp_btf", "fentry", "kprobe")
STANDARD_PROGRAMS = ("empty", "simple", "complex")


def select(attach: Iterable[str] = (), program: Iterable[str] = ()) -> list[Case]:
    """Return the cases with the attach types and programs named, in catalogue order.

    Parameters
    ----------
    attach, program : iterable of str
        Names; none means the standard ones.

    Returns
    -------
    list of Case
        Program by program, each with its attach types.

    Raises
    ------
    BadUseError
        A name is not in the catalogue.
    """
    attach_types = _pick("attach type", ATTACH_TYPES, attach or STANDARD_ATTACH_TYPES)
    programs = _pick("program", PROGRAMS, program or STANDARD_PROGRAMS)
    return [Case(GETPID, each, chosen) for chosen in programs for each in attach_types]


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
