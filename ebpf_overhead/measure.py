"""A case -> its overhead with an interval, and what proves it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ebpf_overhead import _workload, bpf
from ebpf_overhead.attach import Probe, load, status_of
from ebpf_overhead.cases import Case, Target
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.maps import MapUse
from ebpf_overhead.phases import phase
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.proof import Hits, Witness, open_witness, prove
from ebpf_overhead.sampling import Precision, Progress, Sampler, Samples, choose_cpu
from ebpf_overhead.stats import Interval, Quartiles, quartiles

# complex draws one of 1024 keys each time: 1024 * (ln 1024 + 4.6) = 12,000 draws leave none
# out in 99 of 100 runs; where the clock counts instructions, it draws less evenly.
_FILLING_CALLS, _FILLINGS_MAX = 5_000, 6


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
    """

    precision: Precision = field(default_factory=Precision)
    time_s: float = 0.35
    cpu: int | None = None
    seed: int | None = None
    verifier_log: bool = False
    beside: bool = False
    bpf_stats: bool = False


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

    @property
    def baseline(self) -> Quartiles:
        """Time per call without the probe."""
        return quartiles(self.samples.baseline)

    @property
    def probed(self) -> Quartiles:
        """Time per call with the probe."""
        return quartiles(self.samples.probed)


@dataclass(frozen=True)
class Result:
    """A case measured, or the reason why not.

    Attributes
    ----------
    case : Case
        What was to be measured.
    status : str
        ``measured``, ``unsupported``, ``refused`` or ``failed``.
    reason, remedy : str or None
        Why it was not measured, and what would help.
    measurement : Measurement or None
        Present if and only if it was measured.
    verifier_log : str or None
        What the verifier wrote about the program, if that was asked for and it had a say.
    """

    case: Case
    status: str
    reason: str | None = None
    remedy: str | None = None
    measurement: Measurement | None = None
    verifier_log: str | None = None


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
        One a case, in order; never an exception for what this kernel cannot do.
    """
    witnesses: dict[tuple[Target, bool], Witness | None] = {}
    try:
        for case in cases:
            wanted = (case.target, case.attach.at_exit)
            if wanted not in witnesses:
                witnesses[wanted] = open_witness(*wanted)

            def report(share: float, case: Case = case) -> None:
                if progress is not None:
                    progress(case, share)

            yield measure_case(case, options, witnesses[wanted], report)
    finally:
        for witness in witnesses.values():
            if witness is not None:
                witness.close()


def measure_case(
    case: Case,
    options: Options,
    witness: Witness | None = None,
    progress: Progress = lambda share: None,
    compiled: CompiledProgram | None = None,
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

    Returns
    -------
    Result
    """
    log = None
    try:
        with phase("load"):
            loaded = load(case, compiled)
        with loaded as probe, _first_one(case, options.beside):
            if options.verifier_log:
                log = probe.compiled.verifier_log()
            probe.compiled.clear()
            measurement = _measure(_Session(probe, options, witness, progress))
    except OverheadError as error:
        if options.verifier_log:
            log = error.verifier_log or log
        return Result(case, status_of(error), error.what, error.remedy or None, verifier_log=log)
    finally:
        progress(1.0)
    return Result(case, "measured", measurement=measurement, verifier_log=log)


@contextmanager
def _first_one(case: Case, wanted: bool) -> Iterator[None]:
    """Have a case's program attached while the block runs, beside the one that is measured."""
    if not wanted:
        yield
        return
    with load(case) as first:
        first.attach()
        yield


@contextmanager
def _statistics(wanted: bool) -> Iterator[None]:
    """Have the kernel count and time runs while the block runs."""
    if not wanted:
        yield
        return
    statistics = bpf.enable_stats()
    try:
        yield
    finally:
        os.close(statistics)


def _reported(before: bpf.ProgInfo, after: bpf.ProgInfo) -> float | None:
    runs = after.run_count - before.run_count
    if before.prog_id != after.prog_id or runs <= 0:
        return None  # loaded anew in between: nothing to subtract from
    return (after.run_time_ns - before.run_time_ns) / runs


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
        self, probe: Probe, options: Options, witness: Witness | None, progress: Progress
    ) -> None:
        self.probe = probe
        self.options = options
        self.witness = witness
        self.progress = progress
        self.target = probe.case.target
        self.cpu = choose_cpu(options.cpu)
        # Called after each half of a block: there is time then.
        self.between_windows: Callable[[], None] = lambda: None

    def measure(self) -> Measurement:
        hits = self._prove()
        before = bpf.prog_info(self.probe.prog_fd)
        sampler = Sampler(
            self.target.name,
            self._switch,
            cpu=self.cpu,
            seed=self.options.seed,
            attached=self.probe.attached,
            after_half=lambda attached: self.between_windows(),
            progress=self.progress,
        )
        self._fill_map()
        with _statistics(self.options.bpf_stats):
            sampled = sampler.sample(self.options.precision, self.options.time_s)
        after = bpf.prog_info(self.probe.prog_fd)
        hits += self._prove()
        map_use = self.probe.compiled.map_use()
        self.probe.detach()
        if map_use is not None:
            map_use.check(self.probe.case.name, self._map_remedy())
        missed = None
        if before.recursion_misses is not None and after.recursion_misses is not None:
            missed = after.recursion_misses - before.recursion_misses
        return Measurement(
            sampled.samples,
            sampled.overhead,
            hits,
            missed,
            map_use,
            sampled.stopped_by,
            self.probe.hook,
            run_time_reported=_reported(before, after) if self.options.bpf_stats else None,
        )

    def _map_remedy(self) -> str:
        own = self.probe.case.program.source is not None
        return "give the map more entries" if own else "measure with fewer processes running"

    def _prove(self) -> Hits:
        with phase("prove"):
            hits = prove(self.probe, self._call, self.witness)
            self.between_windows()
            return hits

    def _call(self, calls: int) -> None:
        _workload.run(self.target.name, calls, cpu=self.cpu)

    def _fill_map(self) -> None:
        """Call until the program's map gains no more keys of these calls.

        The first use of a key is an insert, which costs more than the updates after it.
        """
        entries = 0
        for _ in range(_FILLINGS_MAX):
            use = self.probe.compiled.map_use()
            if use is None or use.entries is None or use.entries <= entries:
                return
            entries = use.entries
            self._call(_FILLING_CALLS)

    def _switch(self, attached: bool) -> None:
        if attached:
            self.probe.attach()
        else:
            self.probe.detach()
