"""The record of what probes cost a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.findings import Finding
from ebpf_overhead.measure.stats import Interval, Quartiles, quartiles
from ebpf_overhead.report import record
from ebpf_overhead.tools.command.run import QUANTITIES, CommandOutcome, QuantityName
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.command import CommandRun, UserCommand


@dataclass(frozen=True, kw_only=True)
class CommandHead(record.Head):
    """A record of a command.

    Attributes
    ----------
    study : str
        Which tool this is.
    command : list of str
        The program and its arguments.
    metric : str, optional
        Regular expression of the number that it prints.
    victims : list of int, optional
        Processes whose CPU time was read.
    unit : str
        Of times.
    """

    study: Literal["command"] = "command"
    command: list[str]
    metric: str | None = None
    victims: list[int] | None = None
    unit: record.Unit


@dataclass(frozen=True, kw_only=True)
class UnmeasuredCommand(record.Asked, record.Unmeasured):
    """A probe that could not be measured."""


@dataclass(frozen=True, kw_only=True)
class RunQuantity:
    """What a run is known by.

    Attributes
    ----------
    name : str
        ``elapsed``: from the start of the command to its end; ``cpu``: CPU time of the command and
        its children; ``victim``: CPU time of the other processes; ``metric``: what it printed.
    baseline, probed : Quartiles
        Of the runs without the probe, and with it; times in ``unit``.
    added : Interval
        How much more it is with the probe.
    """

    name: QuantityName
    baseline: Quartiles
    probed: Quartiles
    added: Interval


@dataclass(frozen=True, kw_only=True)
class RunsOfCommand:
    """Every run, in the order in which they were made.

    Attributes
    ----------
    baseline, probed : list
        Without the probe and with it, by round: the values of each quantity.
    """

    baseline: list[dict[QuantityName, float]]
    probed: list[dict[QuantityName, float]]


@dataclass(frozen=True, kw_only=True)
class MeasuredCommand(record.Asked, record.Measured):
    """What a probe costs the command.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    runs_per_command : int
        How often the program ran while the command ran once; for other processes, too.
    rounds : int
        How many rounds there were.
    quantities : list of RunQuantity
        What it costs.
    findings : list of Finding, optional
        What the program did not do, or did in vain.
    runs : RunsOfCommand
        Every run.
    """

    hook: str
    runs_per_command: record.Count
    rounds: record.Positive
    quantities: list[RunQuantity]
    findings: list[Finding] | None = None
    runs: RunsOfCommand


ROWS = (MeasuredCommand, UnmeasuredCommand)


def make_record(command: UserCommand, outcomes: Iterable[CommandOutcome]) -> record.Record:
    """Return the record of a run."""
    head = CommandHead(
        command=list(command.arguments),
        metric=command.metric,
        victims=list(command.victims) or None,
        unit=clock.current().unit,
    )
    return record.make(head, map(_row, outcomes))


def _row(found: CommandOutcome) -> MeasuredCommand | UnmeasuredCommand:
    if found.status != "measured":
        return UnmeasuredCommand(**record.outcome(found))
    return MeasuredCommand(
        **record.outcome(found),
        hook=found.hook,
        runs_per_command=found.runs_per_command,
        rounds=len(found.probed),
        quantities=[_quantity(found, name) for name in found.added],
        findings=list(found.findings) or None,
        runs=RunsOfCommand(
            baseline=[_values(found, run) for run in found.baseline],
            probed=[_values(found, run) for run in found.probed],
        ),
    )


def _quantity(found: CommandOutcome, name: QuantityName) -> RunQuantity:
    value = QUANTITIES[name]
    return RunQuantity(
        name=name,
        baseline=quartiles(map(value, found.baseline)),
        probed=quartiles(map(value, found.probed)),
        added=found.added[name],
    )


def _values(found: CommandOutcome, run: CommandRun) -> dict[QuantityName, float]:
    return {name: QUANTITIES[name](run) for name in found.added}
