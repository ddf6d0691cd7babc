"""The row of a case with its overhead, as JSON has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.measure.findings import Finding
from ebpf_overhead.measure.noise import Noise
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.stats import Interval, Quartiles
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.static_facts import StaticFacts
from ebpf_overhead.report import record


@dataclass(frozen=True, kw_only=True)
class MeasuredOn:
    """One of the machines of a record.

    Attributes
    ----------
    machine : dict
        What the machine is.
    guest : dict, optional
        What the guest was, if it was one.
    """

    machine: dict[str, Any]
    guest: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ComparedCase:
    """One of two cases that are compared.

    Attributes
    ----------
    case : int
        Its place in ``cases``, counted from 0.
    attach, program : str
        What it is.
    """

    case: record.Count
    attach: str
    program: str


@dataclass(frozen=True, kw_only=True)
class CaseDifference:
    """How much more one case of a run costs than another.

    Attributes
    ----------
    target : str
        The workload of both.
    first, second : ComparedCase
        The two.
    difference : Interval
        The overhead of the first minus that of the second, per call, in the cases' unit.
    paired : bool
        Whether both were measured in the same rounds, so that what disturbed one disturbed both.
    """

    target: str
    first: ComparedCase
    second: ComparedCase
    difference: Interval
    paired: bool


@dataclass(frozen=True, kw_only=True)
class OverheadHead(record.Head):
    """A record of overheads.

    Attributes
    ----------
    options : Sampling
        How it was sampled.
    machines : list of MeasuredOn, optional
        Of each kernel, where the cases are of several; ``machine`` is the first of them.
    differences : list of CaseDifference, optional
        How much more cases cost than others of the same run that differ from them by the attach
        type, or by the program, or are programs of the user's own as well.
    processes : int, optional
        How many processes measured, one after the other, where there were several.
    noise : Noise, optional
        What else happened on the machine meanwhile, where time was measured.
    """

    options: Sampling
    machines: list[MeasuredOn] | None = None
    differences: list[CaseDifference] | None = None
    processes: record.Positive | None = None
    noise: Noise | None = None


@dataclass(frozen=True, kw_only=True)
class BystanderRow:
    """Whose calls a row is about, where they are not the workload's.

    Attributes
    ----------
    call : str
        What it calls.
    process : str
        Whether it is this process or another one.
    calls : int, optional
        Its calls that were made to see whether the program runs.
    hits : int, optional
        Runs of the program that were caused by those calls.
    runs_per_call : int, optional
        hits = calls * runs_per_call.
    """

    call: str
    process: Literal["same", "other"]
    calls: record.Count | None = None
    hits: record.Count | None = None
    runs_per_call: record.Count | None = None


@dataclass(frozen=True, kw_only=True)
class BesideRow:
    """Programs on the workload besides the one of the row, each proven to run.

    Attributes
    ----------
    programs : dict of str to int
        How many by attach type.
    together : bool
        Whether the overhead is that of all of them; else they are attached all the time.
    """

    programs: dict[str, int]
    together: bool


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Every window, in the order in which they were measured.

    Attributes
    ----------
    baseline, probed : list of float
        Per call, without the probe and with it.
    """

    baseline: list[float]
    probed: list[float]


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A call that nothing disturbs, in ns: the low quantile of all windows of the run.

    Attributes
    ----------
    baseline, probed : float
        Without the probe, by all cases with the same workload; and with it.
    unrest : float
        By what share of it the baseline is above that of quiet moments, of this run and of earlier
        ones; 0 in records of before 2026-12.
    """

    baseline: float
    probed: float
    unrest: float = 0.0


@dataclass(frozen=True)
class Percent:
    """An overhead as a share of the baseline, in percent."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AskedCase(record.Asked):
    """What a case was, and its conditions.

    Attributes
    ----------
    unit : str
        Of all values below, per call.
    bystander : BystanderRow, optional
        Whose calls the row is about, where they are not the workload's.
    beside : BesideRow, optional
        Programs on the workload besides the one of the row.
    statistics : bool, optional
        Whether the kernel's run statistics were on.
    kernel : str, optional
        Release of the kernel, where the record is of several.
    object : str, optional
        The object file, where it has several programs: this is one of them, or all together.
    occupants : list of ExistingHook, optional
        Hooks on the workload that were somebody else's; the baseline has them, too.
    changed : list of ExistingHook, optional
        Hooks of others that came or went while it was measured: not this machine's cost.
    verifier_log : str, optional
        What the verifier wrote about the program, where it was asked for.
    """

    unit: record.Unit
    bystander: BystanderRow | None = None
    beside: BesideRow | None = None
    statistics: bool | None = None
    kernel: str | None = None
    object: str | None = None
    occupants: list[ExistingHook] | None = None
    changed: list[ExistingHook] | None = None
    verifier_log: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnmeasuredCase(AskedCase, record.Unmeasured):
    """A case that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class Overhead(record.Measured, record.Proven):
    """What was measured, whatever the program does with its map.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    baseline, probed : Quartiles
        A call without the probe, and with it.
    undisturbed : Undisturbed, optional
        The same without what disturbed the machine; absent for instructions.
    overhead : Interval
        What the probe adds to a call that nothing disturbs.
    overhead_percent : Percent
        The same as a share of the baseline.
    overhead_median : Interval, optional
        What it adds in the middle of the run, with all that disturbed it.
    missed : int or None
        Runs that the kernel left out, because the program ran on that CPU already; null where it
        does not tell.
    loadings : int, optional
        How often the program was loaded meanwhile; after each load, calls showed that it runs,
        unless a copy counts.
    counted_by : str, optional
        ``copy`` where a copy of the program counted its own runs, before sampling and after: this
        process might not have the kernel count them.
    program_tag : str, optional
        What tells the program's instructions from those that another compiler makes.
    repeated : bool, optional
        Whether it was measured a second time, as the machine was disturbed the first time; until
        cases took turns.
    residue : Interval, optional
        The unprobed call after the last detachment, minus the same before the first attachment.
    run_time_reported : float, optional
        Time of one run by the kernel's own statistics, which were on.
    records_received : int, optional
        Records that were taken out of the program's ring or perf buffer.
    records_consumer : str, optional
        Who took them out: a consumer that waits, or this process when nothing is timed.
    windows : int
        Probed windows; there are as many baseline windows.
    preempted : int, optional
        Windows, probed or not, in which another task had the CPU; undisturbed times leave them out.
    windows_per_block : int
        Consecutive samples that belong together.
    calls_per_window : int
        Calls in each; the fewest, where several processes measured.
    by_process : list of Interval, optional
        The overhead that each process found, where there were several.
    stopped_by : str
        What ended sampling.
    findings : list of Finding, optional
        What the program did not do, or did in vain.
    maps : list of MapState, optional
        How full its hash maps were after measuring.
    static : StaticFacts, optional
        What is known of the program before it runs.
    samples : Windows
        Every window.
    """

    hook: str
    baseline: Quartiles
    probed: Quartiles
    undisturbed: Undisturbed | None = None
    overhead: Interval
    overhead_percent: Percent
    overhead_median: Interval | None = None
    missed: int | None
    loadings: record.Positive | None = None
    counted_by: Literal["copy"] | None = None
    program_tag: str | None = None
    repeated: bool | None = None
    residue: Interval | None = None
    run_time_reported: float | None = None
    records_received: record.Count | None = None
    records_consumer: Literal["other cpu", "between windows"] | None = None
    windows: record.Count
    preempted: record.Count | None = None
    windows_per_block: record.Positive
    calls_per_window: record.Positive
    by_process: list[Interval] | None = None
    stopped_by: Literal["precision", "time"]
    findings: list[Finding] | None = None
    maps: list[MapState] | None = None
    static: StaticFacts | None = None
    samples: Windows


@dataclass(frozen=True, kw_only=True)
class MeasuredCase(AskedCase, Overhead):
    """A case with its overhead.

    Attributes
    ----------
    lost_updates : int or None
        Updates of the program's map that failed; null without a map.
    map_entries, map_max_entries : int or None
        Entries of its map, and how many there is room for.
    """

    lost_updates: int | None
    map_entries: int | None
    map_max_entries: int | None


ROWS = (MeasuredCase, UnmeasuredCase)
