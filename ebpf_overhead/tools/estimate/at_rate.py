"""The cost per event of a program that hands records to a reader, at the rate of the events.

What a record costs depends on whether its reader sleeps, and so on how often records come
(docs/delivery.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from ebpf_overhead.errors import OverheadError, status_of
from ebpf_overhead.hooks.attach_type import SYSCALL
from ebpf_overhead.hooks.cases import ATTACH_TYPES, select
from ebpf_overhead.hooks.first_instruction import FirstInstruction
from ebpf_overhead.measure import cost_at_rate
from ebpf_overhead.measure.paced import Pacing
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.costs import NOW, Costs, wakes_reader
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.workload.workloads import GETPID

_TIME_S = 3.0
# Is called where others call the usual workload at the same time: their records would count, too.
_OTHER_WORKLOAD = "stat"


class Prices(Protocol):
    """Costs of probes on this kernel; see `Costs`."""

    def of(self, attach: str, program: str, first: FirstInstruction | None = None) -> EventCost:
        """Return the cost of a probe."""

    def of_bystanders(self, attach: str, program: str) -> Interval | None:
        """Return the cost to every *other* system call of a probe on one of them."""


def at_rate(
    costs: Costs,
    program: str,
    events_per_second: float,
    places: Iterable[Place],
    say: Callable[[str], None] = lambda line: None,
    sleeps: Callable[[], bool] = lambda: False,
) -> Prices:
    """Return the costs of a program's events at a rate, if they depend on it and it can be had.

    Parameters
    ----------
    costs : Costs
        The costs of events that follow each other directly.
    program : str
        The program.
    events_per_second : float
        Of all places: their records have one reader.
    places : iterable of Place
        Where the events come from.
    say : callable, optional
        Called with one line on what is being measured.
    sleeps : callable, optional
        Says whether callers sleep in between.
    """
    if not events_per_second or not wakes_reader(program):
        return costs
    try:
        cost_at_rate.require()
    except OverheadError:
        return costs
    called = {place.name for place in places if place.kind == SYSCALL}
    pacing = cost_at_rate.possible(events_per_second, sleeps=sleeps())
    return CostsAtRate(costs, pacing, called, say)


class CostsAtRate:
    """Costs of events that come at a rate.

    Parameters
    ----------
    costs : Costs
        The costs of events that follow each other directly.
    pacing : Pacing
        How they come.
    called : set of str
        System calls that others make meanwhile.
    say : callable
        Called with one line on what is being measured.
    """

    def __init__(
        self, costs: Costs, pacing: Pacing, called: set[str], say: Callable[[str], None]
    ) -> None:
        self._costs, self._pacing, self._called, self._say = costs, pacing, called, say
        self._found: dict[tuple[str, str, str], EventCost] = {}

    def of(self, attach: str, program: str, first: FirstInstruction | None = None) -> EventCost:
        """Return the cost of a probe; see `Costs`."""
        plain = self._costs.of(attach, program, first)
        if plain.overhead is None or self._costs.is_given(plain):
            return plain
        workload = self._costs.workload(attach, program, first)
        if workload == GETPID.name and GETPID.syscall in self._called:
            workload = _OTHER_WORKLOAD
        key = (attach, program, workload)
        if key not in self._found:
            self._found[key] = self._measured(plain, workload)
        return replace(self._found[key], instruction=plain.instruction)

    def _measured(self, plain: EventCost, workload: str) -> EventCost:
        self._say(
            f"Measuring the cost of {plain.attach} with {plain.program} here, at"
            f" {self._pacing.per_s:,} events/s"
        )
        (case,) = select([plain.attach], [plain.program], [workload])
        try:
            found = cost_at_rate.cost_at_rate(case, self._pacing, _TIME_S)
        except OverheadError as error:
            return EventCost(
                plain.attach, plain.program, None, NOW, status_of(error), f"{error.what}"
            )
        return replace(
            plain,
            overhead=found.overhead,
            origin=NOW,
            per_s=found.per_s,
            caller_sleeps=found.sleeps,
            reader_idle=found.reader_idle,
            lost_share=found.lost_share,
        )

    def of_bystanders(self, attach: str, program: str) -> Interval | None:
        """Return what another system call pays; see `Costs`."""
        if ATTACH_TYPES[attach].system_wide:
            return self.of(attach, program).overhead
        return self._costs.of_bystanders(attach, program)
