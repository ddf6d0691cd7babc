"""The cost of loaded programs, as JSON; shares are of one core, 0..1."""

from __future__ import annotations

from dataclasses import dataclass

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Count, Head, Record, Unit, filled, to_record
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.callers import HookCaller
from ebpf_overhead.tools.top.holders import Holder
from ebpf_overhead.tools.top.usage import Picture, Usage


@dataclass(frozen=True, kw_only=True)
class ProgramRow:
    """A loaded program and its cost.

    Attributes
    ----------
    id : int
        The kernel's id of the program.
    tag, name, type : str
        As the kernel reports them.
    hooks : list of Attachment
        Its attach points.
    processes : list of Holder
        Processes that hold it.
    map_ids : list of int
        Ids of its maps.
    map_bytes : int or None
        Memory of its maps.
    run_count : int
        Runs counted while statistics were on.
    runs_per_second : float
        Runs per second while it was watched.
    missed : int or None
        Runs that the kernel skipped since it was loaded.
    reported_a_run : float or None
        Time per run, as the kernel's statistics report it.
    reported_core_share : float
        The share that they report.
    left_out_a_run : Interval or None
        Dispatch per run, which they leave out.
    left_out_origin : str or None
        Origin of that value.
    left_out_core_share : Share or None
        Share of dispatch.
    core_share : Share
        Reported share plus dispatch.
    callers : list of HookCaller or None
        Who passed its hooks most often, where that was counted.
    """

    id: int
    tag: str
    name: str
    type: str
    hooks: tuple[Attachment, ...]
    processes: tuple[Holder, ...]
    map_ids: tuple[int, ...]
    map_bytes: int | None
    run_count: Count
    runs_per_second: float
    missed: int | None
    reported_a_run: float | None
    reported_core_share: float
    left_out_a_run: Interval | None
    left_out_origin: str | None
    left_out_core_share: Share | None
    core_share: Share
    callers: list[HookCaller] | None = None


@dataclass(frozen=True, kw_only=True)
class SystemCalls:
    """The slow path, which all system calls take once one of them is traced.

    Attributes
    ----------
    traced_per_second_at_least : float or None
        Lower bound of system calls on it; null where none is traced.
    slow_path : Interval or None
        Cost per system call.
    core_share : Share or None
        Share of the slow path.
    """

    traced_per_second_at_least: float | None
    slow_path: Interval | None
    core_share: Share | None


@dataclass(frozen=True, kw_only=True)
class Own:
    """The cost of watching itself.

    Attributes
    ----------
    core_share : float
        Share of this process.
    statistics_a_run : Interval or None
        Cost of the statistics per run.
    statistics_core_share : Share or None
        Share of the statistics.
    """

    core_share: float
    statistics_a_run: Interval | None
    statistics_core_share: Share | None


@dataclass(frozen=True, kw_only=True)
class TopRecord(Head):
    """A record of ``top``: one picture.

    Attributes
    ----------
    kernel : str
        The running kernel.
    cpus : int
        Number of CPUs.
    unit : str
        Unit of all values per run or call.
    seconds : float
        Duration of the watching.
    programs : list of ProgramRow
        The loaded programs.
    programs_gone : int
        Number of programs that were unloaded meanwhile; their last runs are unknown.
    runs_per_second : float
        Runs per second of all programs.
    core_share, machine_share : Share
        Shares of all programs, of one core and of all CPUs.
    map_bytes : int
        Memory of all maps.
    system_calls : SystemCalls
        The slow path of system calls.
    own : Own
        The cost of watching.
    dispatch_not_known : dict of str to list of str
        Programs with unknown dispatch, by the reason.
    callers_not_counted : list of str
        What ``--callers`` could not count, one line each.
    """

    study: str = "top"
    kernel: str
    cpus: Count
    unit: Unit
    seconds: float
    programs: list[ProgramRow]
    programs_gone: Count
    runs_per_second: float
    core_share: Share
    machine_share: Share
    map_bytes: int
    system_calls: SystemCalls
    own: Own
    dispatch_not_known: dict[str, list[str]]
    callers_not_counted: list[str] | None = None


def make_record(seen: Picture, unit: Unit, release: str) -> Record:
    """Return the record of a picture.

    Parameters
    ----------
    seen : Picture
        The cost of the programs.
    unit : str
        ``ns`` or ``instructions``: unit of all values per run or call.
    release : str
        The running kernel.
    """
    record = filled(
        TopRecord,
        seen,
        kernel=release,
        unit=unit,
        seconds=round(seen.seconds, 6),
        programs=[_program(usage, seen.callers) for usage in seen.usages],
        programs_gone=seen.gone,
        runs_per_second=seen.runs_per_s,
        core_share=seen.total,
        machine_share=seen.total / seen.cpus,
        system_calls=SystemCalls(
            traced_per_second_at_least=seen.syscalls_per_s,
            slow_path=seen.slow_path,
            core_share=seen.slow_path_share,
        ),
        own=Own(
            core_share=seen.own_share,
            statistics_a_run=seen.statistics,
            statistics_core_share=seen.statistics_share,
        ),
        dispatch_not_known=seen.unpriced,
    )
    return to_record(record)


def _program(usage: Usage, callers: dict[int, list[HookCaller]]) -> ProgramRow:
    return filled(
        ProgramRow,
        usage.program,
        usage,
        usage.details,
        id=usage.program.number,
        type=usage.program.kind,
        hooks=usage.details.attachments,
        runs_per_second=usage.runs_per_s,
        reported_a_run=usage.run_time_ns,
        reported_core_share=usage.run_share,
        left_out_a_run=usage.dispatch.left_out,
        left_out_origin=usage.dispatch.origin or None,
        left_out_core_share=usage.dispatch_share,
        core_share=usage.total,
        callers=callers.get(usage.program.number),
    )
