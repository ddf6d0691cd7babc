"""Rows of the record of ``impact``: a workload, a program of the tool, the tool itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Count
from ebpf_overhead.tools.estimate.answer import Budget
from ebpf_overhead.tools.impact.counting import Ran
from ebpf_overhead.tools.top.attachments import Attachment


@dataclass(frozen=True, kw_only=True)
class ImpactCase:
    """A workload without and with the tool.

    Attributes
    ----------
    workload : str
        Its name.
    status : str
        Whether it was measured.
    reason : str, optional
        Why it was not.
    without, with_tool : float, optional
        A call without and with the tool, in the record's unit.
    difference : Interval, optional
        What the tool adds to a call.
    share : Interval, optional
        The same as a share of a call without it.
    again : Interval, optional
        A call in the second quarter without the tool minus one in the first: zero, if nothing
        else changed.
    drift : float, optional
        How much slower the call without the tool was in the last rounds than in the first, as a
        share.
    drifted : bool, optional
        Whether that is much.
    budget : Budget, optional
        Whether the share is within the limit.
    samples : list of tuple of float, optional
        Of each round, a call without, with, with and without the tool.
    """

    workload: str
    status: Literal["measured", "unsupported"]
    reason: str | None = None
    without: float | None = None
    with_tool: float | None = None
    difference: Interval | None = None
    share: Interval | None = None
    again: Interval | None = None
    drift: float | None = None
    drifted: bool | None = None
    budget: Budget | None = None
    samples: list[tuple[float, float, float, float]] | None = None


@dataclass(frozen=True, kw_only=True)
class ToolProgram:
    """A BPF program of the tool.

    Attributes
    ----------
    name, type, tag : str
        As the kernel reports them.
    hooks : list of Attachment
        Its attach points.
    map_bytes : int
        Memory of its maps.
    runs : list of Ran
        Workloads whose calls run it.
    """

    name: str
    type: str
    tag: str
    hooks: tuple[Attachment, ...]
    map_bytes: Count
    runs: list[Ran]


@dataclass(frozen=True, kw_only=True)
class ToolRow:
    """What the tool itself takes; medians of all rounds.

    Attributes
    ----------
    start, stop : list of str
        The commands that start and stop it; the second is empty where it is ended as a process.
        Between the commands of several tools is a ``+``.
    programs : int
        Number of its BPF programs.
    ready_s, gone_s : float
        Seconds until it was ready after its start, and gone after its end.
    core_share : float
        CPU time of its processes while workloads ran, as a share of one core.
    cpu_s : float
        Their CPU time from start to end; of a service only that of these commands.
    resident_bytes : int
        Their resident memory.
    missed : int
        Runs of its programs that the kernel skipped, as they ran already; of all rounds.
    ended, changed : int
        Rounds in which it ended by itself, or loaded or dropped programs meanwhile.
    """

    start: tuple[str, ...]
    stop: tuple[str, ...]
    programs: Count
    ready_s: float
    gone_s: float
    core_share: float
    cpu_s: float
    resident_bytes: Count
    missed: Count
    ended: Count
    changed: Count
