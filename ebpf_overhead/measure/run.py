"""Cases -> their overhead with an interval, and what proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.exercising import exercised, settled
from ebpf_overhead.hooks.existing import ExistingHooks
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.caller_counter import CallerCounters
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.measure.session import CaseSession
from ebpf_overhead.measure.turns import Turns
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.phases import phase
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.object_program import made
from ebpf_overhead.workload import clock

# So many cases take turns.  All of their programs are loaded at once, with maps of their own.
_TURNS_MAX = 32

# Called with the case at hand, and with the number of cases that are done.
Progress = Callable[[Case, float], None]


def measure_cases(
    cases: Iterable[Case],
    sampling: Sampling,
    progress: Progress = lambda case, done: None,
    *,
    verifier_log: bool = False,
) -> Iterator[Result]:
    """Measure cases; in time those that do not disturb each other take turns.

    Parameters
    ----------
    cases : iterable of Case
        What to measure.
    sampling : Sampling
        How to sample.
    progress : callable, optional
        Called with the case at hand, and with the number of cases that are done.
    verifier_log : bool
        Whether to keep what the verifier writes about each program.

    Yields
    ------
    Result
        One per case, in order; never an exception for what this kernel cannot do.  After an
        interruption, one for each case that has an interval.
    """
    done = 0
    last: Result | None = None
    with _Common() as common:
        for batch in _batches(map(_settled, cases)):
            if last is not None and last.measurement is None and _same_probe(last.case, batch[0]):
                # Who calls makes no difference to why it cannot be measured.
                last = replace(last, case=batch[0])
                yield last
            else:

                def report(case: Case, share: float, before: int = done) -> None:
                    progress(case, before + share)

                for last in _Batch(
                    batch, sampling, common, report, verifier_log=verifier_log
                ).results():
                    yield last
            done += len(batch)
            progress(batch[-1], done)


def measure_case(
    case: Case,
    sampling: Sampling,
    progress: Progress = lambda case, done: None,
    *,
    compiled: CompiledProgram | None = None,
) -> Result:
    """Measure one case, or say why it cannot be measured here.

    Parameters
    ----------
    case : Case
        What to measure.
    sampling : Sampling
        How to sample.
    progress : callable, optional
        Called with the case, and with the share of it that is done.
    compiled : CompiledProgram, optional
        Its program, whose maps were filled; the case's by default.
    """
    with _Common() as common:
        (result,) = _Batch([case], sampling, common, progress, compiled=compiled).results()
        return result


def _settled(case: Case) -> Case:
    with phase("load"):
        return settled(case)


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    for in_turns, group in groupby(cases, _takes_turns):
        them = list(group)
        size = _TURNS_MAX if in_turns else 1
        yield from (them[start : start + size] for start in range(0, len(them), size))


def _takes_turns(case: Case) -> bool:
    """Whether other cases may be loaded and measured between a case's blocks.

    Instructions are the same in every minute, and are counted one case after the other.
    """
    alone = case.caller is None and not case.co_attached.cases
    plain = not case.statistics and not case.after_detach
    return clock.current().layout_sensitive and alone and plain


def _same_probe(before: Case, case: Case) -> bool:
    """Whether a case is another one only by who calls."""
    return case.caller is not None and replace(before, caller=case.caller) == case


class _Common(Closing):
    """What all batches of a run use, one after the other."""

    def __init__(self) -> None:
        self.counters = CallerCounters()
        self.existing = ExistingHooks()

    def close(self) -> None:
        """Unload the caller counters."""
        self.counters.close()


class _Batch:
    """Cases that are loaded at once, and take turns."""

    def __init__(
        self,
        cases: Sequence[Case],
        sampling: Sampling,
        common: _Common,
        progress: Progress,
        *,
        compiled: CompiledProgram | None = None,
        verifier_log: bool = False,
    ) -> None:
        self._cases = cases
        self._sampling = sampling
        self._common = common
        self._progress = progress
        self._compiled = compiled
        self._log = verifier_log
        self._occupants = {case.workload: common.existing.of(case.workload) for case in cases}

    def results(self) -> Iterator[Result]:
        """Yield the result of each case, in order."""
        with machine_lock.held(), ExitStack() as held:
            attempts = [held.enter_context(self._opened(case)) for case in self._cases]
            sessions = [each.session for each in attempts if each.session is not None]
            samplers = [each.sampler for each in sessions]
            turns = Turns(
                samplers,
                self._sampling.precision,
                self._sampling.seed,
                self._scatter(),
            )

            def report(turn: int, share: float) -> None:
                self._progress(sessions[turn].case, share * len(self._cases))

            try:
                with ExitStack() as meanwhile:
                    for session in sessions:
                        meanwhile.enter_context(session.sampling())
                    turns.run(self._sampling.time_s * len(samplers), report)
            except KeyboardInterrupt:
                # Another process may still owe the answer that was waited for.
                if turns.enough and all(map(_takes_turns, self._cases)):
                    yield from self._finished(attempts, turns)
                raise
            yield from self._finished(attempts, turns)

    def _scatter(self) -> Scatter | None:
        """Return what earlier runs found; how quiet they were only of calls like these."""
        scatter = self._sampling.scatter
        bare = all(case.bare and not self._occupants[case.workload] for case in self._cases)
        return scatter if bare or scatter is None else replace(scatter, quietest={})

    def _finished(self, attempts: Sequence[_Attempt], turns: Turns) -> list[Result]:
        found = [each.finished(turns) for each in attempts]
        changed = {each: self._common.existing.changed(each) for each in self._occupants}
        return [
            replace(each, changed=changed[each.case.workload]) if each.measurement else each
            for each in found
        ]

    def _opened(self, case: Case) -> _Attempt:
        """Load a case, with maps of its own if others are loaded beside it."""
        attempt = _Attempt(
            Result(case, "measured", occupants=self._occupants[case.workload]), self._log
        )
        self._progress(case, 0.0)

        several = len(self._cases) > 1
        # Functions of a file that are measured together share its maps.
        by_file: dict[Path | None, CompiledProgram] = {}

        def load_case(case: Case) -> Probe:
            if self._compiled is not None and not several:
                return load(case, self._compiled)
            program = case.program
            beside = by_file.get(program.source) if program.function else None
            compiled = by_file[program.source] = made(program, several, beside)
            return load(case, compiled)

        try:
            if case.open_to:
                case = exercised(case)  # and says why it cannot be found
                attempt.result = replace(attempt.result, case=case)
            # Where trying found how often it runs, nothing else tells who runs it.
            known = case.runs is None
            counter = (
                self._common.counters.of(case.workload, case.attach.at_exit) if known else None
            )
            attempt.session = CaseSession(
                case, self._sampling, counter, load_case, attempt.keep_log
            )
            if several:  # a hook may take one program only
                attempt.session.sampler.switch(False)
        except OverheadError as error:
            attempt.fail(error)
        return attempt


@dataclass
class _Attempt(Closing):
    """A case that is to be measured, as far as that has come."""

    result: Result
    wants_log: bool
    session: CaseSession | None = None

    def keep_log(self, probe: Probe) -> None:
        """Keep what the verifier wrote about a loaded probe, if that was asked for."""
        if self.wants_log:
            log = probe.compiled.verifier_log(probe.program.loaded_as)
            self.result = replace(self.result, verifier_log=log)

    def finished(self, turns: Turns) -> Result:
        """Return the result, with what was sampled."""
        if self.session is not None:
            try:
                measurement = self.session.finish(turns.result(self.session.sampler))
                self.result = replace(self.result, measurement=measurement)
            except OverheadError as error:
                self.fail(error)
            self.close()
        return self.result

    def fail(self, error: OverheadError) -> None:
        """Keep why it cannot be measured."""
        ended = Result.of_error(self.result.case, error, occupants=self.result.occupants)
        log = (error.verifier_log or self.result.verifier_log) if self.wants_log else None
        self.result = replace(ended, verifier_log=log)

    def close(self) -> None:
        """Unload what is loaded."""
        if self.session is not None:
            self.session.close()
            self.session = None
