"""What loaded programs cost, from two readings of their counters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.estimate.answer import Share
from ebpf_overhead.loaded.attachments import Attachment
from ebpf_overhead.loaded.dispatch import (
    Dispatch,
    DispatchCosts,
    on_system_calls,
    priced_as,
    runs_for_all,
)
from ebpf_overhead.loaded.inventory import Details
from ebpf_overhead.loaded.objects import Program
from ebpf_overhead.stats import Interval


@dataclass(frozen=True)
class Reading:
    """The counters of all programs at a moment.

    Attributes
    ----------
    at_s : float
        When, by the monotonic clock.
    cpu_s : float
        Processor time this process had used.
    programs : dict of int to Program
        By the kernel's id.
    """

    at_s: float
    cpu_s: float
    programs: dict[int, Program]


@dataclass(frozen=True)
class Usage:
    """What a program took between two readings.

    Attributes
    ----------
    program : Program
        The later reading of it.
    details : Details
        Its hooks, processes, and maps.
    runs_per_s : float
        Runs per second.
    run_share : float
        Share of one core that the kernel's statistics report.
    dispatch : Dispatch
        What they leave out of a run.
    """

    program: Program
    details: Details
    runs_per_s: float
    run_share: float
    dispatch: Dispatch

    @property
    def run_time_ns(self) -> float | None:
        """Reported time of one run; None if there was none."""
        return self.run_share * 1e9 / self.runs_per_s if self.runs_per_s else None

    @property
    def dispatch_share(self) -> Share | None:
        """Share of one core that the way to it took; None where that is not known."""
        left_out = self.dispatch.left_out
        if not self.runs_per_s:
            return Share(0.0, 0.0, 0.0)
        return None if left_out is None else Share.of(self.runs_per_s, left_out)

    @property
    def total(self) -> Share:
        """Share of one core in all; what is reported where no more is known."""
        reported = Share(self.run_share, self.run_share, self.run_share)
        return reported if self.dispatch_share is None else reported + self.dispatch_share

    @property
    def map_bytes(self) -> int:
        """Memory of its maps."""
        return sum(self.details.map_bytes.values())


@dataclass(frozen=True)
class Picture:
    """What all programs took between two readings.

    Attributes
    ----------
    seconds : float
        Time between the readings.
    usages : list of Usage
        Dearest first.
    gone : int
        Programs of the earlier reading that were unloaded; their last runs are not known.
    syscalls_per_s : float or None
        System calls that took the slow path, at least; None where none is traced.
    slow_path : Interval or None
        What each of them paid for it; None where that is not known.
    own_share : float
        Share of one core that this process took.
    statistics : Interval or None
        What the statistics add to a run while they are on; None where that is not known.
    cpus : int
        CPUs of the machine.
    """

    seconds: float
    usages: list[Usage]
    gone: int
    syscalls_per_s: float | None
    slow_path: Interval | None
    own_share: float
    statistics: Interval | None
    cpus: int

    @property
    def runs_per_s(self) -> float:
        """Runs per second of all programs."""
        return sum(usage.runs_per_s for usage in self.usages)

    @property
    def slow_path_share(self) -> Share | None:
        """Share of one core that the slow path takes; None where not known, or not taken."""
        if self.syscalls_per_s is None or self.slow_path is None:
            return None
        return Share.of(self.syscalls_per_s, self.slow_path)

    @property
    def statistics_share(self) -> Share | None:
        """Share of one core that the statistics take."""
        return None if self.statistics is None else Share.of(self.runs_per_s, self.statistics)

    @property
    def total(self) -> Share:
        """Share of one core of all programs, with the slow path where it is known."""
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
        """Why dispatch is not known -> the kinds of hooks whose programs ran all the same."""
        reasons: dict[str, list[str]] = {}
        for usage in self.usages:
            if usage.dispatch_share is None:
                names = reasons.setdefault(usage.dispatch.reason or "", [])
                names += {hook_name(usage)} - set(names)
        return reasons


def picture(
    before: Reading,
    after: Reading,
    details: dict[int, Details],
    costs: DispatchCosts,
    cpus: int,
) -> Picture:
    """Return what programs took between two readings.

    A program that was not there before was loaded in between, so all its runs were.
    """
    seconds = after.at_s - before.at_s
    usages = [
        _usage(before.programs.get(number), program, details.get(number, Details()), seconds, costs)
        for number, program in after.programs.items()
    ]
    return Picture(
        seconds=seconds,
        usages=sorted(usages, key=lambda usage: (-usage.total.estimate, usage.program.number)),
        gone=len(before.programs.keys() - after.programs.keys()),
        syscalls_per_s=_traced_syscalls(usages),
        slow_path=costs.slow_path,
        own_share=(after.cpu_s - before.cpu_s) / seconds,
        statistics=costs.statistics,
        cpus=cpus,
    )


def kind_of(attachments: Iterable[Attachment]) -> str | None:
    """Return the attach type that prices the dispatch of hooks; None where they differ."""
    kinds = {priced_as(each) for each in attachments}
    return kinds.pop() if len(kinds) == 1 else None


def hook_name(usage: Usage) -> str:
    """Return a program's attach type, or its own type in brackets where that is not known."""
    found = dict.fromkeys(each.attach for each in usage.details.attachments)
    return ", ".join(found) or f"({usage.program.kind})"


def _usage(
    before: Program | None, after: Program, details: Details, seconds: float, costs: DispatchCosts
) -> Usage:
    runs, run_time_ns = after.run_count, after.run_time_ns
    if before is not None:
        runs, run_time_ns = runs - before.run_count, run_time_ns - before.run_time_ns
    dispatch = costs.of(kind_of(details.attachments))
    if not details.attachments:
        dispatch = Dispatch(None, reason="the kernel does not tell what it is attached to")
    return Usage(after, details, runs / seconds, run_time_ns / seconds / 1e9, dispatch)


def _traced_syscalls(usages: list[Usage]) -> float | None:
    """Return how many system calls took the slow path, at least; None if none is traced.

    A program that runs for all of them tells exactly.  Without one, only those that ran
    some program are counted.
    """
    tracing = [u for u in usages if any(map(on_system_calls, u.details.attachments))]
    if not tracing:
        return None
    for_all = [u.runs_per_s for u in tracing if any(map(runs_for_all, u.details.attachments))]
    return max(for_all, default=max(u.runs_per_s for u in tracing))
