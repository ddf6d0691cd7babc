"""A command of the user's, run with each probe attached and with none, in rounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import load
from ebpf_overhead.hooks.probe_group import ProbeGroup
from ebpf_overhead.hooks.run_counter import counted
from ebpf_overhead.measure import watch
from ebpf_overhead.measure.findings import Finding, Judgement
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.rounds import Rounds
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.programs.event_buffers import BufferUse
from ebpf_overhead.programs.object_program import made
from ebpf_overhead.workload.command import CommandRun, UserCommand

QuantityName = Literal["elapsed", "cpu", "victim", "metric"]
# What one run is known by: None where it is not.
QUANTITIES: dict[QuantityName, Callable[[CommandRun], Any]] = {
    "elapsed": lambda run: run.elapsed_ns,
    "cpu": lambda run: run.cpu_ns,
    "victim": lambda run: run.victim_ns,
    "metric": lambda run: run.metric,
}


@dataclass(frozen=True)
class CommandOutcome(Outcome):
    """What a probe did to a command, or the reason why that is not known: see `Outcome`.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    runs_per_command : int
        How often the program ran while the command did, once: for whomever.
    baseline, probed : list of CommandRun
        Runs without the probe and with it, by round.
    added : dict of QuantityName to Interval
        How much more each of the quantities was with the probe.
    findings : tuple of Finding
        What the program did not do, or did in vain.
    """

    hook: str = ""
    runs_per_command: int = 0
    baseline: list[CommandRun] = field(default_factory=list)
    probed: list[CommandRun] = field(default_factory=list)
    added: dict[QuantityName, Interval] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def measure_command(
    command: UserCommand,
    cases: Sequence[Case],
    sampling: Sampling,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[CommandOutcome]:
    """Measure what the probes of cases cost a command.

    Parameters
    ----------
    command : UserCommand
        What runs.
    cases : sequence of Case
        What is attached; the workload of each is what names the attach point.
    sampling : Sampling
        Precision of the elapsed time, seconds for all cases, and seed.
    progress : callable, optional
        Called with the share of the time that is over, 0..1.

    Yields
    ------
    CommandOutcome
        One per case, in order; after an interruption those that have an interval.

    Raises
    ------
    OverheadError
        The command failed.
    """
    with ExitStack() as held:
        command = held.enter_context(command.ending_runs())
        command.run()  # what it reads is in memory then; one that fails ends everything at once
        attempts = [held.enter_context(_ProbeInRounds(case, command)) for case in cases]
        ready = [each for each in attempts if each.error is None]
        rounds = Rounds(command.run, [each.switch for each in ready], sampling.seed)

        def precise(hook: int) -> bool:
            return sampling.precision.reached(rounds.added(hook, QUANTITIES["elapsed"]))

        try:
            rounds.run(sampling.time_s, precise, progress)
        except KeyboardInterrupt:
            if rounds.enough:
                yield from _outcomes(attempts, ready, rounds)
            raise
        for each in ready:
            each.look()
        yield from _outcomes(attempts, ready, rounds)


class _ProbeInRounds(Closing):
    """A case whose probe is loaded and seen to run, or why it is not."""

    def __init__(self, case: Case, command: UserCommand) -> None:
        self.case = case
        self.error: OverheadError | None = None
        self.runs = 0
        self.hook = ""
        self.judged = Judgement()
        self._command = command
        with ExitStack() as held:
            try:
                self._prepare(held)
            except OverheadError as error:
                self.error = error
            self._held = held.pop_all()

    def _prepare(self, held: ExitStack) -> None:
        compiled = made(self.case.program, True, None)
        self._probe = held.enter_context(load(self.case, compiled))
        self.hook = self._probe.hook
        compiled.clear()
        self._buffers = compiled.event_buffers()
        if self._buffers is not None:
            held.callback(self._buffers.close)
            held.enter_context(self._buffers.emptied(os.sched_getaffinity(0)))
        self.runs = self._count()
        self._earlier = watch.before(ProbeGroup(self._probe))

    def _count(self) -> int:
        """Return how often the program runs while the command does, once.

        Raises
        ------
        UnsupportedError
            It does not.
        """
        self._probe.attach()
        with counted(self._probe) as count:
            before = count()
            self._command.run()
            runs = count().since(before).made
        self._probe.detach()
        if runs == 0:
            raise UnsupportedError(
                f"{self._command} does not pass {self.case.attach.name}:{self.hook}",
                "attach it where it does: --attach, --workload",
            )
        return runs

    def switch(self, attached: bool) -> None:
        """Attach it, loaded again where that makes a difference, or detach it."""
        self._probe.switch(attached)

    def look(self) -> None:
        """See whether the program did its work."""
        try:
            self.judged = watch.look(
                ProbeGroup(self._probe), self._earlier, self._command.run, self._uses
            )
            self.judged.check(self.case.name, "give the map more entries: --map-size")
        except OverheadError as error:
            self.error = error

    def _uses(self) -> list[BufferUse]:
        return [] if self._buffers is None else self._buffers.uses()

    def close(self) -> None:
        """Detach and unload it."""
        self._held.close()


def _outcomes(
    attempts: Sequence[_ProbeInRounds], ready: Sequence[_ProbeInRounds], rounds: Rounds[CommandRun]
) -> Iterator[CommandOutcome]:
    for each in attempts:
        error = each.error
        if error is None:
            error = rounds.failures.get(ready.index(each))
        if error is not None:
            yield CommandOutcome.of_error(each.case, error)
        else:
            yield _measured(each, rounds, ready.index(each))


def _measured(attempt: _ProbeInRounds, rounds: Rounds[CommandRun], hook: int) -> CommandOutcome:
    baseline, probed = rounds.baseline, rounds.probed(hook)
    known = [
        name
        for name, value in QUANTITIES.items()
        if all(value(run) is not None for run in chain(baseline, probed))
    ]
    return CommandOutcome(
        attempt.case,
        "measured",
        hook=attempt.hook,
        runs_per_command=attempt.runs,
        baseline=list(baseline),
        probed=list(probed),
        added={name: rounds.added(hook, QUANTITIES[name]) for name in known},
        findings=attempt.judged.findings,
    )
