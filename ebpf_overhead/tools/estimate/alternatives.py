"""Other attach types for the same places, and what other system calls pay for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ebpf_overhead.hooks.attach_type import SYSCALL
from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.tools.estimate.answer import (
    Alternative,
    PlaceRate,
    Share,
    add,
    cheapest_first,
)
from ebpf_overhead.tools.estimate.at_rate import Prices
from ebpf_overhead.tools.estimate.costs import (
    attach_types_for,
    comparable,
    slows_other_calls,
)
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place


@dataclass(frozen=True)
class Bystanders:
    """The cost of probes on system calls to all other system calls.

    Attributes
    ----------
    costs : Prices
        Costs of probes on this kernel.
    program : str
        The program of the probes.
    others_per_s : float
        The other system calls per second.
    """

    costs: Prices
    program: str
    others_per_s: float

    def of(self, probes: list[tuple[Place, str]]) -> Share | None:
        """Return the share that bystanders pay for (place, attach type); None if none pays."""
        attach = [name for place, name in probes if place.kind == SYSCALL]
        # Calls without a tracepoint pay for the first tracepoint only, not for a second one.
        payable = [name for name in attach if ATTACH_TYPES[name].system_wide]
        payable += [name for name in attach if slows_other_calls(name)][:1]
        costs = [self.costs.of_bystanders(name, self.program) for name in payable]
        shares = [Share.of(self.others_per_s, cost) for cost in costs if cost is not None]
        return add(shares) if shares else None


def alternatives(
    chosen: list[PlaceRate], costs: Prices, program: str, payers: Bystanders
) -> list[Alternative]:
    """Return the other attach types that all places have, cheapest first.

    Parameters
    ----------
    chosen : list of PlaceRate
        The places, with their rates.
    costs : Prices
        Costs of probes on this kernel.
    program : str
        The program of the probes.
    payers : Bystanders
        What other system calls pay.
    """
    places = [rate.place for rate in chosen]
    asked = {rate.cost.attach for rate in chosen}
    fitting = [attach_types_for(place) for place in places]
    found = []
    for name in fitting[0]:
        fits = all(name in each for each in fitting)
        if fits and all(comparable(name, other) for other in asked):
            cost = [costs.of(name, program, place.first_instruction) for place in places]
            others = payers.of([(place, name) for place in places])
            found.append(alternative(chosen, cost, others))
    return cheapest_first(found)


def alternative(
    chosen: list[PlaceRate], cost: list[EventCost], bystanders: Share | None = None
) -> Alternative:
    """Return an attach type with the share of all places, and the average cost of their events.

    Parameters
    ----------
    chosen : list of PlaceRate
        The places, with their rates.
    cost : list of EventCost
        What an event costs at each of them.
    bystanders : Share, optional
        What other system calls pay.
    """
    unknown = next((each for each in cost if each.overhead is None), None)
    mean = sum(rate.mean for rate in chosen)
    share = add(
        None if each.overhead is None else Share.of(rate.mean, each.overhead)
        for rate, each in zip(chosen, cost, strict=True)
    )
    if unknown is not None or share is None:
        return Alternative(unknown or cost[0], None, bystanders)
    one = len({each.instruction for each in cost}) == 1 or not mean
    return Alternative(cost[0] if one else _average(cost[0], share, mean), share, bystanders)


def _average(cost: EventCost, share: Share, events_per_second: float) -> EventCost:
    """Return the cost of an event at places whose events cost differently."""
    assert cost.overhead is not None
    factor = 1e9 / events_per_second
    overhead = replace(
        cost.overhead,
        estimate=share.estimate * factor,
        low=share.low * factor,
        high=share.high * factor,
    )
    return replace(cost, overhead=overhead, instruction=None)
