"""What is true of an attach type: the row that the whole project reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.hooks import many_points
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import Workload

# Kinds of place that a user names, to have a probe there estimated or calls there counted.
FUNCTION, SYSCALL, TRACEPOINT, USER = "function", "syscall", "tracepoint", "user"

Points = Callable[[Workload], Iterator[AttachPoint]]
Find = Callable[[AttachPoint], int]
RecordBytes = Callable[[AttachPoint], "int | None"]
Closer = Callable[[int, AttachPoint], None]
Opener = Callable[[LoadedProgram, AttachPoint, bool], int]
OpenerOfMany = Callable[[LoadedProgram, Sequence[AttachPoint], bool], int]


def no_record(point: AttachPoint) -> None:
    """Return None: what a program finds in its context is checked when it is loaded."""


def close_descriptor(fd: int, point: AttachPoint) -> None:
    """Close the descriptor that keeps a program attached."""
    os.close(fd)


def by_name(point: AttachPoint) -> int:
    """Return 0: the kernel finds such a point by its name when the program is attached."""
    return 0


@dataclass(frozen=True)
class AttachType:
    """A way to hook a BPF program to code or to an event.

    Attributes
    ----------
    name : str
        The kernel's (libbpf's) own name, with an ending where that serves several hooks.
    group : str
        Which attach types it belongs to; a choice for ``--attach``.
    reach : str
        How the call gets to the program.
    go_name : str
        Its name in ``BenchmarkGetpid…`` lines.
    since : str
        First release that has it, and the commit that brought it.  Documentation only: what a
        kernel can do is found out by trying.
    needs : str
        What the kernel must be built with, or booted with.
    prog_type : ProgType
        Kind of program that it runs.
    points : callable
        Yields the points of a workload that may serve, best first.
    open : callable
        Attaches a loaded program to a point, at the function's return or not, and returns the
        descriptor that keeps it attached.
    close : callable
        Detaches it again: closes that descriptor, if no more is to be done.
    expected : TraceAttachType
        Kind of hook that the program is loaded for, where that is part of the program.
    flags : int
        Of ``BPF_F_…``, with which the program is loaded.
    find : callable
        Returns the BTF id of a point, 0 where there is none to know, before anything is loaded.
        Raises UnsupportedError where the kernel lacks the point or the means.
    record_bytes : callable
        Returns the length of the record that a program at a point may read; None where it reads
        none, or that cannot be told.
    many : callable
        Yields further points, to attach to many at once, that a workload does not pass.
    open_many : callable or None
        The same as ``open`` for several points that one descriptor keeps attached; None where
        each has one of its own.
    capability : str
        What the kernel may ask of who attaches it, besides CAP_BPF and CAP_PERFMON.
    moment : str
        When the program runs: at the ``entry`` of the function or system call, at its
        ``return``, or at ``both``.
    workload_kind : str
        Kind of workload that it is measured on.
    event : str
        Which of the points that a workload passes it is, as `Workload.passes` names them; empty
        for a system call, or what a call of the workload passes once.
    serves : tuple of str
        Kinds of place, of those that a user may name, that it can probe.
    kernel_name : str
        What the kernel calls it, where that is not its name here.
    like : str
        Regular expression for the places, as the kernel names them, whose hooks cost what
        this one costs.
    aliases : tuple of str
        Its names in bpftrace, BCC and libbpf's sections.
    at_return : str
        Name of the attach type that sees the return of what this one sees begin.
    system_wide : bool
        Whether the hook runs the program for every system call of every process, not
        only for the workload.
    everybodys : bool
        Whether others pass the hook, too, and nothing tells their runs from the workload's.
    tried : bool
        Whether it is attached once when it is loaded, because only that tells whether the
        kernel takes the point.
    gone_first : bool
        Whether the kernel removes the hook before it waits, when the descriptor is closed.
    among_kprobes : bool
        Whether the kernel looks for what was hit among all kprobes that are registered.
    reference : str
        What the reference benchmark calls it; empty where that does not have it.
    """

    name: str
    group: str
    reach: str
    go_name: str
    since: str
    needs: str
    prog_type: ProgType
    points: Points = field(repr=False)
    open: Opener = field(repr=False)
    close: Closer = field(repr=False, default=close_descriptor)
    expected: TraceAttachType = TraceAttachType.NONE
    flags: int = 0
    find: Find = field(repr=False, default=by_name)
    record_bytes: RecordBytes = field(repr=False, default=no_record)
    many: Points = field(repr=False, default=many_points.none)
    open_many: OpenerOfMany | None = field(repr=False, default=None)
    capability: str = ""
    moment: Literal["entry", "return", "both"] = "entry"
    workload_kind: str = "syscall"
    event: str = ""
    serves: tuple[str, ...] = ()
    kernel_name: str = ""
    like: str = ".*"
    aliases: tuple[str, ...] = ()
    at_return: str = ""
    system_wide: bool = False
    everybodys: bool = False
    tried: bool = True
    gone_first: bool = False
    among_kprobes: bool = False
    reference: str = ""

    @property
    def runs_per_call(self) -> int:
        """How often the program runs per call of what it is attached to."""
        return 2 if self.moment == "both" else 1

    def times_seen(self, workload: Workload) -> int:
        """Return how often one call of a workload passes the hook: at least, where that differs."""
        if self.event:
            return workload.passed.get(self.event) or 1
        if self.moment == "return" and self.group == "tracepoints":
            return workload.exits(self.system_wide)
        return workload.entries(self.system_wide)

    @property
    def by_btf(self) -> bool:
        """Whether its points are found by their BTF ids."""
        return self.prog_type in (ProgType.TRACING, ProgType.LSM)

    @property
    def called_otherwise(self) -> bool:
        """Whether the reference benchmark has it under another name."""
        return self.reference not in ("", self.name)

    @property
    def at_exit(self) -> bool:
        """Whether it runs the program at the end of every system call."""
        return self.system_wide and self.moment == "return"
