"""One estimate, from the names of places to the answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from ebpf_overhead.cases import ATTACH_TYPES
from ebpf_overhead.errors import BadUseError, OverheadError, UnsupportedError
from ebpf_overhead.estimate.answer import (
    Alternative,
    Budget,
    Estimate,
    PlaceRate,
    Share,
    add,
    cheapest_first,
)
from ebpf_overhead.estimate.costs import Cost, Costs, attach_types_for, comparable
from ebpf_overhead.estimate.counting import Counter, Rates, count, counters
from ebpf_overhead.estimate.places import SERVED_BY, Place
from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.observe import observe
from ebpf_overhead.latency.record import Observation
from ebpf_overhead.stats import Interval
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.symbols import explain_name
from ebpf_overhead.tracers.waiting import Watch

_LATENCY_S = 2.0
# All system calls, to know what bystanders pay; counted besides where it matters.
_ALL_SYSCALLS = Place("tracepoint", "sys_enter")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    places : tuple of Place
        Where the probe would be.
    attach : str or None
        Attach type; None for the one the places were named by, or the first that serves.
    program : str
        Program, or the file of one.
    filters : Filters
        Whose events count.
    duration_s : float or None
        How long to count.
    budget : float or None
        A limit, as a share of one core.
    latency : bool
        Whether to time the busiest place's calls afterwards.
    alternatives : bool
        Whether to price the other attach types that could serve.
    """

    places: tuple[Place, ...]
    attach: str | None
    program: str
    filters: Filters
    duration_s: float | None
    budget: float | None = None
    latency: bool = True
    alternatives: bool = True


def estimate(question: Question, costs: Costs, say: Say, tick: Callable[[float], None]) -> Estimate:
    """Count, look costs up or measure them, and answer.

    Parameters
    ----------
    question : Question
        What is asked.
    costs : Costs
        What probes cost here.
    say, tick : callable
        Told in a line what goes on; told every second how long it has counted.

    Raises
    ------
    OverheadError
        Nothing can be counted, or the attach type cannot serve these places.
    """
    attach = {place: _attach_type(place, question.attach) for place in question.places}
    with counters(list(question.places), question.filters) as counter:
        counted = counter.places  # the names are right: worth measuring costs for
    cost = {place: costs.of(attach[place], question.program) for place in counted}
    with ExitStack() as stack:
        counter = stack.enter_context(counters(counted, question.filters))
        bystanders = stack.enter_context(_system_calls(counted))
        watch = stack.enter_context(Watch(question.duration_s, question.filters.pid))
        what = f"Counting {_named(counted)} by {_attach_names(counter)}; Ctrl-C ends it"
        rates = count(counter, watch, tick, started=lambda: say(what))
        syscalls_per_s = bystanders() / rates.seconds
    found = _place_rates(counter, rates, cost)
    payers = _Bystanders(costs, question.program, syscalls_per_s)
    answer = Estimate(
        seconds=rates.seconds,
        ended_by=rates.ended_by,
        rates=found,
        peak=float(rates.steps.sum(axis=1).max()),
        peak_share=_peak_share(rates, [cost[place] for place in counted]),
        bystanders=payers.of([(rate.place, rate.cost.attach) for rate in found], rates),
        alternatives=_alternatives(found, rates, costs, question.program, payers)
        if question.alternatives
        else [],
        counting=_counting_share(counter, rates, costs, question.filters),
        latency=_own_latency(question, counter, rates, say),
        budget=None,
        refused=refused(question.places, counter),
        cpus=os.cpu_count() or 1,
    )
    if question.budget is None or answer.total is None:
        return answer
    return replace(answer, budget=Budget.judge(question.budget, answer.total))


def _attach_type(place: Place, wanted: str | None) -> str:
    """Return how a place would be probed, after checking that it can be."""
    serving = attach_types_for(place)
    chosen = wanted or place.attach or (serving[0] if serving else None)
    if chosen not in serving:
        raise _cannot_serve(place, chosen, f"choose of {', '.join(serving)}" if serving else "")
    return chosen


def _cannot_serve(place: Place, chosen: str | None, choice: str) -> OverheadError:
    if chosen in SERVED_BY[place.kind]:
        return explain_name(place.name) or UnsupportedError(
            f"{chosen} cannot hook {place}: the kernel's own BTF does not have it", choice
        )
    return BadUseError(f"{chosen or 'a probe'} cannot be estimated for {place}", choice)


@contextmanager
def _system_calls(places: list[Place]) -> Iterator[Callable[[], int]]:
    """Count all system calls where a place is one; yield what returns their number."""
    if not any(place.kind == "syscall" for place in places):
        yield lambda: 0
        return
    with counters([_ALL_SYSCALLS], Filters()) as counter:
        before = int(counter.read()[0])
        yield lambda: int(counter.read()[0]) - before


@dataclass(frozen=True)
class _Bystanders:
    """What probes on system calls cost all the other system calls."""

    costs: Costs
    program: str
    syscalls_per_s: float

    def of(self, probes: list[tuple[Place, str]], rates: Rates) -> Share | None:
        """Return what probes, (place, attach type), cost bystanders; None where nobody pays."""
        attach = [name for place, name in probes if place.kind == "syscall"]
        # A second tracepoint on system calls adds nothing to those that have none.
        payable = [name for name in attach if ATTACH_TYPES[name].system_wide]
        payable += [name for name in attach if name in ("tracepoint", "tracepoint_exit")][:1]
        others = max(self.syscalls_per_s - float(rates.events.sum()) / rates.seconds, 0.0)
        costs = [self.costs.of_bystanders(name, self.program) for name in payable]
        shares = [Share.of(others, cost) for cost in costs if cost is not None]
        return add(shares) if shares else None


def _alternatives(
    chosen: list[PlaceRate], rates: Rates, costs: Costs, program: str, payers: _Bystanders
) -> list[Alternative]:
    """Return the attach types that could serve all of the places as well, cheapest first."""
    mean = float(rates.events.sum()) / rates.seconds
    places = [rate.place for rate in chosen]
    asked = {rate.cost.attach for rate in chosen}
    serving = [attach_types_for(place) for place in places]
    found = []
    for name in serving[0]:
        fits = all(name in each for each in serving)
        if fits and all(comparable(name, other) for other in asked):
            cost = costs.of(name, program)
            share = None if cost.overhead is None else Share.of(mean, cost.overhead)
            others = payers.of([(place, name) for place in places], rates)
            found.append(Alternative(cost, share, others))
    return cheapest_first(found)


def _peak_share(rates: Rates, costs: list[Cost]) -> Share | None:
    """Return the share of one core in the second in which the probes would have cost most."""
    seconds = [
        add(
            None if cost.overhead is None else Share.of(float(rate), cost.overhead)
            for rate, cost in zip(step, costs, strict=True)
        )
        for step in rates.steps
    ]
    known = [share for share in seconds if share is not None]
    return max(known, key=lambda share: share.estimate, default=None)


def refused(places: Iterable[Place], counter: Counter) -> dict[Place, str]:
    """Return the places that were not counted, and why."""
    return {place: error.what for place, error in counter.refused.items() if place in set(places)}


def _place_rates(counter: Counter, rates: Rates, cost: dict[Place, Cost]) -> list[PlaceRate]:
    peaks = rates.steps.max(axis=0)
    found = [
        PlaceRate(
            place=place,
            counted_by=str(hook.point),
            events=int(events),
            mean=int(events) / rates.seconds,
            peak=float(peak),
            cost=cost[place],
        )
        for place, hook, events, peak in zip(
            counter.places, counter.hooks, rates.events, peaks, strict=True
        )
    ]
    return sorted(found, key=lambda rate: -rate.events)


def _counting_share(counter: Counter, rates: Rates, costs: Costs, filters: Filters) -> Share | None:
    total = Share(0.0, 0.0, 0.0)
    for hook, events in zip(counter.hooks, rates.events, strict=True):
        cost: Interval | None = costs.of_counting(hook.point.attach, filters)
        if cost is None:
            return None
        total += Share.of(int(events) / rates.seconds, cost)
    return total


def _own_latency(
    question: Question, counter: Counter, rates: Rates, say: Say
) -> Observation | None:
    """Time the busiest place's calls; None where there is no way in, or no call."""
    busiest = counter.places[int(rates.events.argmax())]
    if not question.latency or not rates.events.any() or rates.ended_by == "exit":
        return None
    if busiest.kind == "tracepoint":
        return None
    watch = Watch(min(question.duration_s or _LATENCY_S, _LATENCY_S), question.filters.pid)
    try:
        (seen,) = observe(str(busiest), question.filters, Scale(), watch, say=say)
    except OverheadError:
        return None
    return seen if seen.seen.calls else None


def _named(places: list[Place]) -> str:
    return str(places[0]) if len(places) == 1 else f"{len(places)} places"


def _attach_names(counter: Counter) -> str:
    return ", ".join(dict.fromkeys(hook.point.attach for hook in counter.hooks))
