"""A case -> its overhead with an interval, and what proves it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from ebpf_overhead import _workload, bpf, bystander, clock, occupants
from ebpf_overhead.attach import Probe, load, status_of
from ebpf_overhead.bystander import Bystander, Caller
from ebpf_overhead.cases import Case, Target
from ebpf_overhead.company import Beside, load_company
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.maps import MapUse
from ebpf_overhead.occupants import Occupant
from ebpf_overhead.outcome import Outcome
from ebpf_overhead.phases import phase
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.proof import Hits, Witness, open_witness, prove, prove_runs
from ebpf_overhead.residue import Before
from ebpf_overhead.run_tally import RunTally
from ebpf_overhead.sampling import Precision, Progress, Sampler, Samples, choose_cpu
from ebpf_overhead.stats import Interval, Quartiles, quartiles
from ebpf_overhead.targets import require

# complex draws one of 1024 keys each time: 1024 * (ln 1024 + 4.6) = 12,000 draws leave none
# out in 99 of 100 cases; where the clock counts instructions, it draws less evenly.
_FILLING_CALLS, _FILLING_RUNS, _FILLINGS_MAX = 100, 50, 6


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes
    ----------
    precision : Precision
        When to stop sampling a case.
    time_s : float
        Time to sample a case at most, in seconds.
    cpu : int or None
        CPU to run on; None chooses one.
    seed : int or None
        Seed of the order of the windows; None for a different one each time.
    verifier_log : bool
        Whether to keep what the verifier writes about each program.
    beside : bool
        Whether the same program is attached at the same hook already, all the time: the
        overhead is then that of a second one.
    bpf_stats : bool
        Whether the kernel's run statistics are on while sampling, as a monitor has them.
    bystander : bool
        Whether to measure, after each case, what bystanders pay for it; and what is left
        when it is gone.
    """

    precision: Precision = field(default_factory=Precision)
    time_s: float = 0.35
    cpu: int | None = None
    seed: int | None = None
    verifier_log: bool = False
    beside: bool = False
    bpf_stats: bool = False
    bystander: bool = False


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
        Runs the kernel left out because of recursion; None where it does not tell.
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
        they are the target's.
    residue : Interval or None
        What the unprobed call takes when the probe is gone, minus what it took before the
        probe came; None unless bystanders were asked for.
    loadings : int
        How often the program was loaded in the course of it, and seen to run.
    repeated : bool
        Whether it stands for one that was made before, while the machine was disturbed.
    """

    samples: Samples
    overhead: Interval
    hits: Hits
    missed: int | None
    map_use: MapUse | None
    stopped_by: str
    hook: str
    records: int | None = None
    consumer_waits: bool = False
    run_time_reported: float | None = None
    bystander_hits: Hits | None = None
    residue: Interval | None = None
    loadings: int = 1
    repeated: bool = False

    @property
    def baseline(self) -> Quartiles:
        """Time per call without the probe."""
        return quartiles(self.samples.baseline)

    @property
    def probed(self) -> Quartiles:
        """Time per call with the probe."""
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
    bystander : Bystander or None
        Whose calls were measured; None for the target's.
    beside : Beside
        What else was on the target.
    occupants : tuple of Occupant
        Hooks on the target that are somebody else's.
    """

    measurement: Measurement | None = None
    verifier_log: str | None = None
    bystander: Bystander | None = None
    beside: Beside = field(default_factory=Beside)
    occupants: tuple[Occupant, ...] = ()

    @property
    def name(self) -> str:
        """Name for people: the case, whose calls they are, and what is beside it."""
        name = (
            self.case.name if self.bystander is None else f"{self.case.name}, {self.bystander.name}"
        )
        return f"{name}{self.beside}"


def measure_cases(
    cases: Iterable[Case], options: Options, progress: Callable[[Case, float], None] | None = None
) -> Iterator[Result]:
    """Measure cases one after the other.

    Parameters
    ----------
    cases : iterable of Case
        What to measure.
    options : Options
        How to measure.
    progress : callable, optional
        Called with the case at hand and the share of it that is done, 0..1.

    Yields
    ------
    Result
        One a case and bystander, in order; never an exception for what this kernel cannot do.
    """
    witnesses: dict[tuple[Target, bool], Witness | None] = {}
    try:
        with bystander.callers(options.bystander) as available:
            for case in cases:
                wanted = (case.target, case.attach.at_exit)
                if wanted not in witnesses:
                    witnesses[wanted] = open_witness(*wanted)

                def report(share: float, case: Case = case) -> None:
                    if progress is not None:
                        progress(case, share)

                yield from _measure_views(case, options, witnesses[wanted], report, available)
    finally:
        for witness in witnesses.values():
            if witness is not None:
                witness.close()


def _measure_views(
    case: Case,
    options: Options,
    witness: Witness | None,
    progress: Progress,
    available: Sequence[Caller],
) -> Iterator[Result]:
    """Measure a case as its target sees it, then as each bystander does."""
    views = [None, *bystander.beside(case, available)]
    for number, caller in enumerate(views):

        def report(share: float, number: int = number) -> None:
            progress((number + share) / len(views))

        result = measure_case(case, options, witness, report, caller=caller)
        yield result
        if result.measurement is None:
            for each in views[number + 1 :]:
                yield replace(result, bystander=each.bystander if each else None)
            return


def measure_case(
    case: Case,
    options: Options,
    witness: Witness | None = None,
    progress: Progress = lambda share: None,
    *,
    compiled: CompiledProgram | None = None,
    caller: Caller | None = None,
    beside: Beside | None = None,
) -> Result:
    """Measure one case, or say why it cannot be measured here.

    Parameters
    ----------
    case : Case
        What to measure.
    options : Options
        How to measure.
    witness : Witness or None
        Tells own from foreign hits.
    progress : callable, optional
        Called with the share that is done, 0..1.
    compiled : CompiledProgram, optional
        Its compiled program; the shipped one of that name by default.
    caller : Caller, optional
        A bystander whose calls are measured instead of the target's.
    beside : Beside, optional
        What else is on the target; by default what the options say.

    Returns
    -------
    Result
    """
    beside = beside or Beside((case,) if options.beside else ())
    whose = caller.bystander if caller else None
    result = Result(
        case, "measured", bystander=whose, beside=beside, occupants=occupants.of(case.target)
    )
    log = None
    try:
        before = _before(whose.target if whose else case.target, options, caller)
        with phase("load"):
            loaded = load_company(partial(load, compiled=compiled), case, beside)
        with loaded as probe:
            if options.verifier_log:
                log = probe.compiled.verifier_log()
            probe.compiled.clear()
            measurement = _measure(_Session(probe, options, witness, progress, caller))
        if before is not None:
            measurement = replace(measurement, residue=before.difference_now())
    except OverheadError as error:
        if options.verifier_log:
            log = error.verifier_log or log
        reason, remedy = error.what, error.remedy or None
        return replace(
            result, status=status_of(error), reason=reason, remedy=remedy, verifier_log=log
        )
    finally:
        progress(1.0)
    return replace(result, measurement=measurement, verifier_log=log)


def _before(target: Target, options: Options, caller: Caller | None) -> Before | None:
    """Time calls before the first attachment, where those after the last are to be compared."""
    if not options.bystander:
        return None
    require(target)
    return Before(target.name, choose_cpu(options.cpu), caller.run if caller else None)


def _measure(session: _Session) -> Measurement:
    """Measure, with somebody to take out what the program hands to user space."""
    records = session.probe.compiled.records()
    if records is None:
        return session.measure()
    others = os.sched_getaffinity(0) - {session.cpu}
    try:
        if not others:
            session.between_windows = records.drain
            measurement = session.measure()
        else:
            with records.consumed(others):
                measurement = session.measure()
        return replace(measurement, records=records.received, consumer_waits=bool(others))
    finally:
        records.close()


class _Session:
    """The measurement of one loaded probe."""

    def __init__(
        self,
        probe: Probe,
        options: Options,
        witness: Witness | None,
        progress: Progress,
        caller: Caller | None,
    ) -> None:
        self.probe = probe
        self.caller = caller
        self.options = options
        self.witness = witness
        self.progress = progress
        self.target = probe.case.target
        # Whose calls are timed, and by whom.
        self.timed = caller.bystander.target if caller else self.target
        self.run = caller.run if caller else _workload.run
        self.cpu = choose_cpu(options.cpu)
        # Called after each half of a block: there is time then.
        self.between_windows: Callable[[], None] = lambda: None

    def measure(self) -> Measurement:
        hits = self._prove()
        bystander_hits = self._prove_bystander()
        self.tally = RunTally(bpf.prog_info(self.probe.prog_fd))
        sampler = Sampler(
            self.timed.name,
            self._switch,
            cpu=self.cpu,
            seed=self.options.seed,
            attached=self.probe.attached,
            after_half=lambda attached: self.between_windows(),
            progress=self.progress,
            run=self.caller.timed if self.caller else None,
            in_turns=self.caller is None or not self.caller.bystander.elsewhere,
        )
        self._fill_map()
        with bpf.counting_runs() if self.options.bpf_stats else nullcontext():
            sampled = sampler.sample(self.options.precision, self.options.time_s)
        self.tally.end(bpf.prog_info(self.probe.prog_fd))
        hits += self._prove()
        if bystander_hits is not None and (again := self._prove_bystander()) is not None:
            bystander_hits += again
        map_use = self.probe.compiled.map_use()
        self.probe.detach()
        if map_use is not None:
            map_use.check(self.probe.case.name, self._map_remedy())
        return Measurement(
            sampled.samples,
            sampled.overhead,
            hits,
            self.tally.missed,
            map_use,
            sampled.stopped_by,
            self.probe.hook,
            run_time_reported=self.tally.run_time if self.options.bpf_stats else None,
            bystander_hits=bystander_hits,
            loadings=self.tally.loadings,
        )

    def _map_remedy(self) -> str:
        own = self.probe.case.program.source is not None
        return "give the map more entries" if own else "measure with fewer processes running"

    def _prove(self) -> Hits:
        with phase("prove"):
            hits = prove(self.probe, self._call, self.witness)
            self.between_windows()
            return hits

    def _prove_bystander(self) -> Hits | None:
        if self.caller is None:
            return None
        with phase("prove"):
            hits = self.caller.prove(self.probe, self.cpu)
            self.between_windows()
            return hits

    def _call(self, calls: int) -> None:
        _workload.run(self.target.name, calls, cpu=self.cpu)

    def _fill_map(self) -> None:
        """Call until the program's map gains no more keys of these calls.

        The first use of a key is an insert, which costs more than the updates after it.  Where
        calls take exactly the same time, a run of any length sees only some of the keys made of
        the time; which ones depends on when it began.
        """
        entries = 0
        for _ in range(_FILLINGS_MAX):
            use = self.probe.compiled.map_use()
            if use is None or use.entries is None or use.entries <= entries:
                return
            entries = use.entries
            for _ in range(_FILLING_RUNS):
                self.run(self.timed.name, _FILLING_CALLS, cpu=self.cpu)

    def _switch(self, attached: bool) -> None:
        anew = attached and clock.current().places_matter
        if anew:
            self.tally.end(bpf.prog_info(self.probe.prog_fd))
        self.probe.switch(attached)
        if anew:
            with phase("prove"):
                prove_runs([self.probe, *self.probe.others], self._call)
                self.between_windows()
            self.tally.begin(bpf.prog_info(self.probe.prog_fd))
