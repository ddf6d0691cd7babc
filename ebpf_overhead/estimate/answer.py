"""The answer: events per second times overhead, as shares of a core and of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.estimate.costs import Cost
from ebpf_overhead.estimate.places import Place
from ebpf_overhead.latency.record import Observation
from ebpf_overhead.stats import Interval

_NS_PER_S = 1e9

LIMIT = (
    "The overhead was measured with warm caches, one call after the other; a probe that runs seldom"
    " finds them cold and costs more: once a wake-up, four to seven times as much"
    " (docs/validation.md)."
)


@dataclass(frozen=True)
class Share:
    """A share of one core, 0..1 (more than 1 needs more than one core)."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, events_per_second: float, cost: Interval) -> Share:
        """Return what events of a cost take of one core."""
        factor = events_per_second / _NS_PER_S
        return cls(cost.estimate * factor, cost.low * factor, cost.high * factor)

    def __add__(self, other: Share) -> Share:
        return Share(self.estimate + other.estimate, self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class PlaceRate:
    """How often a place ran, and what counted it.

    Attributes
    ----------
    place : Place
        What was counted.
    counted_by : str
        The hook.
    events : int
        How often it ran.
    mean, peak : float
        Events per second over all the time, and in the busiest second.
    cost : Cost
        Of one event, with the probe it would get.
    """

    place: Place
    counted_by: str
    events: int
    mean: float
    peak: float
    cost: Cost

    @property
    def share(self) -> Share | None:
        """Share of one core; None where the cost is not known."""
        overhead = self.cost.overhead
        return None if overhead is None else Share.of(self.mean, overhead)


@dataclass(frozen=True)
class Alternative:
    """A probe that could serve the same places.

    Attributes
    ----------
    cost : Cost
        Of one event.
    share : Share or None
        Of one core, at the mean rate; None where the cost is not known.
    bystanders : Share or None
        What other system calls pay in all; None where nobody does, or it is not known.
    """

    cost: Cost
    share: Share | None
    bystanders: Share | None

    @property
    def total(self) -> Share | None:
        """What the probe takes in all."""
        if self.share is None or self.bystanders is None:
            return self.share
        return self.share + self.bystanders


@dataclass(frozen=True)
class Budget:
    """A limit and whether the probe keeps to it.

    Attributes
    ----------
    share : float
        The limit, a share of one core.
    verdict : str
        ``yes``, ``no``, or ``unsure`` where the interval holds the limit.
    """

    share: float
    verdict: str

    @classmethod
    def judge(cls, limit: float, total: Share) -> Budget:
        """Compare a probe's whole share with a limit."""
        if total.high <= limit:
            return cls(limit, "yes")
        return cls(limit, "no" if total.low > limit else "unsure")


@dataclass(frozen=True)
class Estimate:
    """The whole answer.

    Attributes
    ----------
    seconds : float
        How long was counted.
    ended_by : str
        What ended the counting.
    rates : list of PlaceRate
        Busiest first.
    peak : float
        Events per second of all places in their busiest second.
    peak_share : Share or None
        Of one core, in the second in which the probes would have cost most.
    bystanders : Share or None
        What other system calls would pay in all; None where nobody does.
    alternatives : list of Alternative
        Others that could serve the same places, cheapest first, those unknown last.
    counting : Share or None
        What the counting itself took; None if not known.
    latency : Observation or None
        How long calls of the busiest place take.
    budget : Budget or None
        The limit, where one was given.
    refused : dict of Place to str
        Places that could not be counted, and why.
    cpus : int
        CPUs of the machine.
    """

    seconds: float
    ended_by: str
    rates: list[PlaceRate]
    peak: float
    peak_share: Share | None
    bystanders: Share | None
    alternatives: list[Alternative]
    counting: Share | None
    latency: Observation | None
    budget: Budget | None
    refused: dict[Place, str]
    cpus: int

    @property
    def mean(self) -> float:
        """Events per second of all places."""
        return sum(rate.mean for rate in self.rates)

    @property
    def costs(self) -> list[Cost]:
        """What the probes cost an event, one an attach type."""
        return list({rate.cost.attach: rate.cost for rate in self.rates}.values())

    @property
    def share(self) -> Share | None:
        """Share of one core; None where a probe's cost is not known."""
        return add(rate.share for rate in self.rates)

    @property
    def total(self) -> Share | None:
        """Share of one core with what bystanders pay."""
        return self.share if self.bystanders is None else add([self.share, self.bystanders])

    @property
    def added_latency(self) -> float | None:
        """Overhead as a share of the busiest place's own latency; None where not known."""
        overhead = self.rates[0].cost.overhead
        own = None if self.latency is None else self.latency.corrected_ns
        return None if not own or overhead is None else overhead.estimate / own


def add(shares: Iterable[Share | None]) -> Share | None:
    """Return the sum; None where one of them is not known."""
    total = Share(0.0, 0.0, 0.0)
    for share in shares:
        if share is None:
            return None
        total += share
    return total


def cheapest_first(alternatives: list[Alternative]) -> list[Alternative]:
    """Sort by what they take in all; those not known last."""

    def key(each: Alternative) -> tuple[bool, float]:
        total = each.total
        return (total is None, 0.0 if total is None else total.estimate)

    return sorted(alternatives, key=key)
