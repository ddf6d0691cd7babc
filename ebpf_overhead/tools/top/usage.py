"""The cost of loaded programs, from two readings of their counters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ebpf_overhead.bpf.objects import KernelProgram
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.callers import HookCaller
from ebpf_overhead.tools.top.dispatch import Dispatch, DispatchCosts, priced_as
from ebpf_overhead.tools.top.inventory import ProgramDetails
from ebpf_overhead.tools.top.system_calls import traced_per_s


@dataclass(frozen=True)
class Reading:
    """The counters of all programs at one moment.

    Attributes
    ----------
    at_s : float
        Time of the reading, by the monotonic clock.
    cpu_s : float
        CPU time of this process until then.
    programs : dict of int to KernelProgram
        Programs by the kernel's id.
    """

    at_s: float
    cpu_s: float
    programs: dict[int, KernelProgram]


@dataclass(frozen=True)
class Usage:
    """The cost of a program between two readings.

    Attributes
    ----------
    program : KernelProgram
        The program at the later reading.
    details : ProgramDetails
        Its hooks, processes, and maps.
    runs_per_s : float
        Runs per second.
    run_share : float
        Share of one core that the kernel's statistics report.
    dispatch : Dispatch
        The dispatch per run, which the statistics leave out.
    """

    program: KernelProgram
    details: ProgramDetails
    runs_per_s: float
    run_share: float
    dispatch: Dispatch

    @property
    def run_time_ns(self) -> float | None:
        """Reported time per run; None without a run."""
        return self.run_share * 1e9 / self.runs_per_s if self.runs_per_s else None

    @property
    def dispatch_share(self) -> Share | None:
        """Share of one core for dispatch; None if unknown."""
        left_out = self.dispatch.left_out
        if not self.runs_per_s:
            return Share(0.0, 0.0, 0.0)
        return None if left_out is None else Share.of(self.runs_per_s, left_out)

    @property
    def total(self) -> Share:
        """Share of one core; only the reported share where dispatch is unknown."""
        reported = Share(self.run_share, self.run_share, self.run_share)
        return reported if self.dispatch_share is None else reported + self.dispatch_share

    @property
    def map_bytes(self) -> int:
        """Memory of the program's maps."""
        return sum(self.details.map_bytes.values())


@dataclass(frozen=True)
class Picture:
    """The cost of all programs between two readings.

    Attributes
    ----------
    seconds : float
        Time between the readings.
    usages : list of Usage
        The most expensive program first.
    gone : int
        Number of programs that were unloaded meanwhile; their last runs are unknown.
    syscalls_per_s : float or None
        Lower bound of system calls on the slow path; None where none is traced.
    slow_path : Interval or None
        Cost of the slow path per system call; None if unknown.
    own_share : float
        Share of one core that this process used.
    statistics : Interval or None
        Cost of the statistics per run; None if unknown.
    cpus : int
        CPUs of the machine.
    callers : dict of int to list of HookCaller
        Who passed the hooks of each program, by its id, where that was counted.
    callers_not_counted : list of str
        What was to be counted so, and could not be, one line each.
    """

    seconds: float
    usages: list[Usage]
    gone: int
    syscalls_per_s: float | None
    slow_path: Interval | None
    own_share: float
    statistics: Interval | None
    cpus: int
    callers: dict[int, list[HookCaller]] = field(default_factory=dict)
    callers_not_counted: list[str] = field(default_factory=list)

    @property
    def runs_per_s(self) -> float:
        """Runs per second of all programs."""
        return sum(usage.runs_per_s for usage in self.usages)

    @property
    def slow_path_share(self) -> Share | None:
        """Share of one core for the slow path; None if unknown or not used."""
        if self.syscalls_per_s is None or self.slow_path is None:
            return None
        return Share.of(self.syscalls_per_s, self.slow_path)

    @property
    def statistics_share(self) -> Share | None:
        """Share of one core for the statistics."""
        return None if self.statistics is None else Share.of(self.runs_per_s, self.statistics)

    @property
    def total(self) -> Share:
        """Share of one core for all programs, including a known slow path."""
        total = self.slow_path_share or Share(0.0, 0.0, 0.0)
        for usage in self.usages:
            total += usage.total
        return total

    @property
    def map_bytes(self) -> int:
        """Memory of all maps, each counted once."""
        maps: dict[int, int] = {}
        for usage in self.usages:
            maps |= usage.details.map_bytes
        return sum(maps.values())

    @property
    def unpriced(self) -> dict[str, list[str]]:
        """Attach types of programs that ran with unknown dispatch, by the reason."""
        reasons: dict[str, list[str]] = {}
        for usage in self.usages:
            if usage.dispatch_share is None:
                names = reasons.setdefault(usage.dispatch.reason or "", [])
                names += {hook_name(usage)} - set(names)
        return reasons


def picture(
    before: Reading,
    after: Reading,
    details: dict[int, ProgramDetails],
    costs: DispatchCosts,
    cpus: int,
) -> Picture:
    """Return the cost of programs between two readings.

    A program that is missing in the first reading was loaded later, so all its runs count.
    """
    seconds = after.at_s - before.at_s
    usages = [
        _usage(
            before.programs.get(number),
            program,
            details.get(number, ProgramDetails()),
            seconds,
            costs,
        )
        for number, program in after.programs.items()
    ]
    return Picture(
        seconds=seconds,
        usages=sorted(usages, key=lambda usage: (-usage.total.estimate, usage.program.number)),
        gone=len(before.programs.keys() - after.programs.keys()),
        syscalls_per_s=traced_per_s((each.runs_per_s, each.details.attachments) for each in usages),
        slow_path=costs.slow_path,
        own_share=(after.cpu_s - before.cpu_s) / seconds,
        statistics=costs.statistics,
        cpus=cpus,
    )


def kinds_of(details: Iterable[ProgramDetails]) -> set[str | None]:
    """Return the attach types with the dispatch of the hooks of programs; None for unknown ones."""
    return {priced_as(hook) for each in details for hook in each.attachments}


def _dispatch(attachments: Iterable[Attachment], costs: DispatchCosts) -> Dispatch:
    """Return the dispatch of a program at some hooks.

    How often each of them runs it is not known.  So where they differ, it is between the cheapest
    and the most expensive one.
    """
    found = [costs.of(kind) for kind in {priced_as(each) for each in attachments}]
    known = [each.left_out for each in found if each.left_out is not None]
    if not found:
        return Dispatch(None, reason="the kernel does not say what it is attached to")
    if len(known) < len(found):
        return next(each for each in found if each.left_out is None)
    middle = sum(each.estimate for each in known) / len(known)
    low, high = min(each.low for each in known), max(each.high for each in known)
    return Dispatch(Interval(middle, low, high, known[0].confidence), found[0].origin)


def hook_name(usage: Usage) -> str:
    """Return a program's attach type, or its program type in brackets if that is unknown."""
    found = dict.fromkeys(each.attach for each in usage.details.attachments)
    return ", ".join(found) or f"({usage.program.kind})"


def _usage(
    before: KernelProgram | None,
    after: KernelProgram,
    details: ProgramDetails,
    seconds: float,
    costs: DispatchCosts,
) -> Usage:
    runs, run_time_ns = after.run_count, after.run_time_ns
    if before is not None:
        runs, run_time_ns = runs - before.run_count, run_time_ns - before.run_time_ns
    dispatch = _dispatch(details.attachments, costs)
    return Usage(after, details, runs / seconds, run_time_ns / seconds / 1e9, dispatch)
