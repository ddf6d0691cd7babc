"""How to sample, what was measured, and the result of a case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ebpf_overhead.bpf.maps import MapUse
from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.measure.findings import Finding
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Precision, Samples
from ebpf_overhead.measure.stats import Interval, Quartiles, quartiles
from ebpf_overhead.measure.undisturbed import Levels, Scatter
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.static_facts import StaticFacts


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes
    ----------
    precision : Precision
        When to stop sampling.
    time_s : float
        Time to sample at most, in seconds for each case.
    cpu : int or None
        CPU to run on; None chooses one.
    seed : int or None
        Seed of the order of the windows; None for a different one each time.
    scatter : Scatter or None
        What varies from run to run on this machine; None without a history.
    """

    precision: Precision = field(default_factory=Precision.by_default)
    time_s: Annotated[float, ("exclusiveMinimum", 0)] = 0.35
    cpu: int | None = None
    seed: int | None = None
    scatter: Scatter | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Measurement:
    """What one case costs, and what proves it.

    Attributes
    ----------
    samples : Samples
        Every window.
    overhead : Interval
        Probed minus baseline, ns per call.
    hits : Hits
        Runs counted before and after measuring.
    missed : int or None
        Runs that the kernel left out, because the program ran on that CPU already; None where it
        does not tell.
    map_use : MapUse or None
        How full the program's map is; None when it has none.
    stopped_by : str
        ``precision`` or ``time``.
    hook : str
        What the program was attached to.
    records : int or None
        Records that it handed to user space; None when it hands none.
    consumer_waits : bool
        Whether a consumer on another CPU waited for them; else they were taken out between
        windows.
    run_time_reported : float or None
        What the kernel's statistics say of a run, in the unit of the clock; None unless they
        were on.
    bystander_hits : Hits or None
        Runs counted for calls of the bystander, whose calls the samples are of; None where
        they are the workload's.
    residue : Interval or None
        What the unprobed call takes when the probe is gone, minus what it took before the
        probe came; None unless bystanders were asked for.
    loadings : int
        How often the program was loaded meanwhile; after each load, calls showed that it runs,
        unless a copy counts.
    program_tag : str
        What tells the program's instructions from those that another compiler makes.
    levels : Levels or None
        The undisturbed times of a call; None for instructions, which nothing disturbs.
    preempted : int or None
        Windows in which another task had the CPU; the undisturbed times leave them out.
    findings : tuple of Finding
        What the program did in vain.
    maps : tuple of MapState
        How full its maps are.
    static : StaticFacts or None
        What is known of the program before it runs.
    with_statistics : bool
        Whether the kernel's run statistics were on, for the case or switched on by somebody else.
    counted_by : str
        Who counted its runs: the ``kernel``, or a ``copy`` of it that counts itself, before
        sampling and after.
    """

    samples: Samples
    overhead: Interval
    hits: Hits
    missed: int | None
    map_use: MapUse | None
    stopped_by: Literal["precision", "time"]
    hook: str
    records: int | None = None
    consumer_waits: bool = False
    run_time_reported: float | None = None
    bystander_hits: Hits | None = None
    residue: Interval | None = None
    loadings: int = 1
    program_tag: str = ""
    levels: Levels | None = None
    preempted: int | None = None
    findings: tuple[Finding, ...] = ()
    maps: tuple[MapState, ...] = ()
    static: StaticFacts | None = None
    with_statistics: bool = False
    counted_by: Literal["kernel", "copy"] = "kernel"

    @property
    def unprobed(self) -> float:
        """What a call takes without the probe, in the unit of the clock."""
        return self.levels.baseline.estimate if self.levels else self.baseline.median

    @property
    def overhead_median(self) -> Interval | None:
        """What the probe adds in the middle of the run, with all that disturbed it.

        By the medians of the halves of each block; None for instructions.
        """
        return self.samples.median_overhead() if self.levels else None

    @property
    def baseline(self) -> Quartiles:
        """Time per call without the probe, quiet or disturbed."""
        return quartiles(self.samples.baseline)

    @property
    def probed(self) -> Quartiles:
        """Time per call with the probe, quiet or disturbed."""
        return quartiles(self.samples.probed)


@dataclass(frozen=True)
class Result(Outcome):
    """A case measured, or the reason why not: see `Outcome`.

    Attributes
    ----------
    measurement : Measurement or None
        Present if and only if it was measured.
    verifier_log : str or None
        What the verifier wrote about the program, if that was asked for and it had a say.
    occupants : tuple of ExistingHook
        Hooks on the workload that are somebody else's.
    changed : tuple of ExistingHook
        Those of them that came or went while it was measured, which is then not its own cost.
    """

    measurement: Measurement | None = None
    verifier_log: str | None = None
    occupants: tuple[ExistingHook, ...] = ()
    changed: tuple[ExistingHook, ...] = ()

    @property
    def name(self) -> str:
        """Name for people: that of the case, with its conditions."""
        return self.case.name
