"""An estimate, from the names of attach points to the answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ebpf_overhead.bpf import statistics
from ebpf_overhead.errors import BadUseError, OverheadError, UnsupportedError
from ebpf_overhead.hooks.attach_type import SYSCALL, TRACEPOINT, USER
from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.hooks.symbols import explain_name, user_point
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.alternatives import Bystanders, alternatives
from ebpf_overhead.tools.estimate.answer import Budget, Estimate, PlaceRate, Share, add
from ebpf_overhead.tools.estimate.at_rate import at_rate
from ebpf_overhead.tools.estimate.calling import callers_sleep
from ebpf_overhead.tools.estimate.compat import compat_calls
from ebpf_overhead.tools.estimate.costs import Costs, attach_types_for, wakes_reader
from ebpf_overhead.tools.estimate.counting import Counter, Rates, count, counters
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place, serving
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.observe import observe
from ebpf_overhead.tools.funclatency.record import Observation
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.tools.tracers.waiting import Watch

_LATENCY_S = 2.0
_READER_SLEEPS = (
    "its reader never slept while the cost was measured, in continuous calls; at real rates each"
    " record may wake it up, which costs microseconds: ebpf-overhead study delivery"
)
_READER_CALLS = (
    "the reader's own system calls write records, too: it never sleeps, and takes a CPU; have the"
    " program return early for it"
)
_ALL_BUSY = (
    "no CPU was idle while that was measured; where one is, the reader is woken up there, which"
    " may cost a caller that works half or twice as much (docs/estimate.md)"
)
# All system calls, which are counted where bystanders pay.
_ALL_SYSCALLS = Place(TRACEPOINT, "sys_enter")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What to estimate.

    Attributes
    ----------
    places : tuple of Place
        Attach points of the probe.
    attach : str or None
        Attach type; None for the one in the names of the places, or the first possible one.
    program : str
        Name of a program, or its file.
    filters : Filters
        Which events count.
    duration_s : float or None
        Duration of the counting.
    budget : float or None
        A limit, as a share of one core.
    latency : bool
        Whether to time calls at the busiest attach point afterwards.
    alternatives : bool
        Whether to estimate the other possible attach types.
    takes_signals : bool
        Whether a signal ends only the counting; otherwise it ends the command.
    """

    places: tuple[Place, ...]
    attach: str | None
    program: str
    filters: Filters
    duration_s: float | None
    budget: float | None = None
    latency: bool = True
    alternatives: bool = True
    takes_signals: bool = True


def estimate(question: Question, costs: Costs, say: Say, tick: Callable[[float], None]) -> Estimate:
    """Count events, look up or measure costs, and return the estimate.

    Parameters
    ----------
    question : Question
        What to estimate.
    costs : Costs
        Costs of probes on this kernel.
    say, tick : callable
        Called with one line on the progress; called every second with the duration so far.

    Raises
    ------
    OverheadError
        Nothing can be counted, or these places do not have that attach type.
    """
    attach = {place: attach_type_for(place, question.attach) for place in question.places}
    with counters(list(question.places), question.filters) as counter:
        counted = counter.places  # the names are right, so costs are measured
    for place in counted:
        costs.of(attach[place], question.program, place.first_instruction)
    with ExitStack() as stack:
        counter = stack.enter_context(counters(counted, question.filters))
        bystanders = stack.enter_context(_system_calls(counted))
        compat = stack.enter_context(compat_calls(counted, question.filters))
        watch = stack.enter_context(
            Watch(question.duration_s, question.filters.pid, takes_signals=question.takes_signals)
        )
        what = f"Counting {_named(counted)} by {_attach_names(counter)}; Ctrl-C ends it"
        rates = count(counter, watch, tick, started=lambda: say(what))
        others = max(bystanders() - int(rates.events.sum()), 0)
        compat_events = compat()
    events_per_s = int(rates.events.sum()) / rates.seconds
    sleeps = partial(callers_sleep, counted, question.filters)
    prices = at_rate(costs, question.program, events_per_s, counted, say, sleeps)
    cost = {
        place: prices.of(attach[place], question.program, place.first_instruction)
        for place in counted
    }
    found = _place_rates(counter, rates, cost, compat_events)
    payers = Bystanders(prices, question.program, others / rates.seconds)
    answer = Estimate(
        seconds=rates.seconds,
        ended_by=rates.ended_by,
        rates=found,
        peak=float(rates.steps.sum(axis=1).max()),
        peak_share=_peak_share(rates, [cost[place] for place in counted]),
        bystanders=payers.of([(rate.place, rate.cost.attach) for rate in found]),
        alternatives=alternatives(found, prices, question.program, payers)
        if question.alternatives
        else [],
        counting=_counting_share(counter, rates, costs, question.filters),
        latency=_own_latency(question, counter, rates, say),
        budget=None,
        refused=refused(question.places, counter),
        cpus=os.cpu_count() or 1,
        notes=notes(question.program, found[0].cost),
    )
    return judged(answer, question.budget)


def judged(answer: Estimate, budget: float | None) -> Estimate:
    """Return an estimate with the verdict on a limit, if there is one."""
    if budget is None or answer.total is None:
        return answer
    return replace(answer, budget=Budget.judge(budget, answer.total))


def notes(program: str, cost: EventCost) -> list[str]:
    """Return what else is to be known of this machine now, and of the program's cost."""
    warning = statistics.warning()
    found = [] if warning is None else [f"{warning}; a stored cost is without them"]
    if not cost.per_s:
        return [*found, *reader_notes(program)]
    if not (cost.caller_sleeps or cost.reader_idle):
        found.append(_ALL_BUSY)
    return [*found, *([_READER_CALLS] if ATTACH_TYPES[cost.attach].system_wide else [])]


def reader_notes(program: str) -> list[str]:
    """Return what else is to be known of the cost of a program that hands records to a reader."""
    return [_READER_SLEEPS] if wakes_reader(program) else []


def attach_type_for(place: Place, wanted: str | None) -> str:
    """Return the attach type for a place, after checking that the place has it.

    Raises
    ------
    OverheadError
        It does not have the one that is wanted, or any.
    """
    fitting = attach_types_for(place)
    chosen = wanted or place.attach or (fitting[0] if fitting else None)
    if chosen not in fitting:
        raise _cannot_serve(place, chosen, f"choose of {', '.join(fitting)}" if fitting else "")
    return chosen


def _cannot_serve(place: Place, chosen: str | None, choice: str) -> OverheadError:
    if chosen in [each.name for each in serving(place.kind)]:
        if place.kind == USER:
            ATTACH_TYPES[chosen].find(user_point(place.name))  # raises the reason
        return explain_name(place.name) or UnsupportedError(
            f"{chosen} cannot hook {place}: the kernel's own BTF does not have it", choice
        )
    return BadUseError(f"{chosen or 'a probe'} cannot be estimated for {place}", choice)


@contextmanager
def _system_calls(places: list[Place]) -> Iterator[Callable[[], int]]:
    """Count all system calls if a place is one; yield a function that returns their number."""
    if not any(place.kind == SYSCALL for place in places):
        yield lambda: 0
        return
    with counters([_ALL_SYSCALLS], Filters()) as counter:
        before = int(counter.read()[0])
        yield lambda: int(counter.read()[0]) - before


def _peak_share(rates: Rates, costs: list[EventCost]) -> Share | None:
    """Return the share of one core in the most expensive second."""
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
    """Return the places that were not counted, with the reasons."""
    return {place: error.what for place, error in counter.refused.items() if place in set(places)}


def _place_rates(
    counter: Counter,
    rates: Rates,
    cost: dict[Place, EventCost],
    compat: dict[Place, int],
) -> list[PlaceRate]:
    peaks = rates.steps.max(axis=0)
    found = [
        PlaceRate(
            place=place,
            counted_by=str(hook.site),
            events=int(events),
            mean=int(events) / rates.seconds,
            peak=float(peak),
            cost=cost[place],
            compat_events=compat.get(place),
        )
        for place, hook, events, peak in zip(
            counter.places, counter.hooks, rates.events, peaks, strict=True
        )
    ]
    return sorted(found, key=lambda rate: -rate.events)


def _counting_share(counter: Counter, rates: Rates, costs: Costs, filters: Filters) -> Share | None:
    total = Share(0.0, 0.0, 0.0)
    counted = zip(counter.places, counter.hooks, rates.events, strict=True)
    for place, hook, events in counted:
        name = hook.site.attach_type.name
        cost: Interval | None = costs.of_counting(name, filters, place.first_instruction)
        if cost is None:
            return None
        total += Share.of(int(events) / rates.seconds, cost)
    return total


def _own_latency(
    question: Question, counter: Counter, rates: Rates, say: Say
) -> Observation | None:
    """Time calls at the busiest place; None where it cannot be traced, or without a call."""
    busiest = counter.places[int(rates.events.argmax())]
    if not question.latency or not rates.events.any() or rates.ended_by != "time":
        return None
    if busiest.kind == TRACEPOINT:
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
    return ", ".join(dict.fromkeys(hook.site.attach_type.name for hook in counter.hooks))
