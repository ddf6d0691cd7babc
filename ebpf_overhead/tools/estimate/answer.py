"""The answer: events per second times overhead, as a share of one core and of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.funclatency.record import Observation

_NS_PER_S = 1e9
# What "ended" the counting where there was none.
GIVEN = "rate given"

LIMIT = (
    "The overhead was measured with warm caches, in continuous calls. A probe that runs rarely"
    " finds cold caches and costs more: once per wake-up, four to seven times as much"
    " (docs/validation.md)."
)
LIMIT_AT_RATE = (
    "The overhead was measured with one caller, and a reader that sleeps until it is woken up."
    " Records in bursts wake it up less often and cost less; a slow reader makes them cost more"
    " (docs/estimate.md)."
)


@dataclass(frozen=True)
class Share:
    """A share of one core, 0..1; a share above 1 needs more than one core."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, events_per_second: float, cost: Interval) -> Share:
        """Return the share of one core for events of a given cost."""
        factor = events_per_second / _NS_PER_S
        return cls(cost.estimate * factor, cost.low * factor, cost.high * factor)

    def __truediv__(self, number: int) -> Share:
        return Share(self.estimate / number, self.low / number, self.high / number)

    def __add__(self, other: Share) -> Share:
        return Share(self.estimate + other.estimate, self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class PlaceRate:
    """How often an attach point ran, and the hook that counted it.

    Attributes
    ----------
    place : Place
        The attach point.
    counted_by : str
        The hook.
    events : int
        Number of its events.
    mean, peak : float
        Events per second during the whole time, and in the busiest second.
    cost : EventCost
        Cost per event of the probe.
    compat_events : int or None
        Calls of the system call by 32-bit programs, which are none of the events; None where
        they are not counted.
    """

    place: Place
    counted_by: str
    events: int
    mean: float
    peak: float
    cost: EventCost
    compat_events: int | None = None

    @property
    def share(self) -> Share | None:
        """Share of one core; None where the cost is unknown."""
        overhead = self.cost.overhead
        return None if overhead is None else Share.of(self.mean, overhead)


@dataclass(frozen=True)
class Alternative:
    """Another probe that could be attached to the same attach points.

    Attributes
    ----------
    cost : EventCost
        Cost per event.
    share : Share or None
        Share of one core at the mean rate; None where the cost is unknown.
    bystanders : Share or None
        Share that other system calls pay; None where none pays, or it is unknown.
    """

    cost: EventCost
    share: Share | None
    bystanders: Share | None

    @property
    def total(self) -> Share | None:
        """Share of one core, including bystanders."""
        if self.share is None or self.bystanders is None:
            return self.share
        return self.share + self.bystanders


@dataclass(frozen=True)
class Budget:
    """A limit, and whether the probe is within it.

    Attributes
    ----------
    share : float
        The limit, a share of one core.
    verdict : str
        ``yes``, ``no``, or ``unsure`` where the interval contains the limit.
    """

    share: float
    verdict: str

    @classmethod
    def judge(cls, limit: float, total: Share) -> Budget:
        """Compare the total share of a probe with a limit."""
        if total.high <= limit:
            return cls(limit, "yes")
        return cls(limit, "no" if total.low > limit else "unsure")


@dataclass(frozen=True)
class Estimate:
    """The whole answer.

    Attributes
    ----------
    seconds : float
        Duration of the counting.
    ended_by : str
        What ended the counting.
    rates : list of PlaceRate
        Rates by attach point, busiest first.
    peak : float
        Events per second of all attach points in their busiest second.
    peak_share : Share or None
        Share of one core in the most expensive second.
    bystanders : Share or None
        Share that other system calls would pay; None where none pays.
    alternatives : list of Alternative
        Other probes for the same attach points, cheapest first, unknown costs last.
    counting : Share or None
        Share that the counting used; None if unknown.
    latency : Observation or None
        Latency of calls at the busiest attach point.
    budget : Budget or None
        The limit, if there is one.
    refused : dict of Place to str
        Attach points that could not be counted, and why.
    cpus : int
        CPUs of the machine.
    notes : list of str
        What else is to be known.
    kernel : str or None
        The kernel that the cost was measured on, in a guest; None for the running one.
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
    notes: list[str] = field(default_factory=list)
    kernel: str | None = None

    @property
    def given(self) -> bool:
        """Whether the rate was given, and nothing was counted."""
        return self.ended_by == GIVEN

    @property
    def limit(self) -> str:
        """A limit of the method."""
        return LIMIT_AT_RATE if any(cost.per_s for cost in self.costs) else LIMIT

    @property
    def compat_per_s(self) -> float:
        """Calls per second by 32-bit programs, which are none of the events."""
        return sum(rate.compat_events or 0 for rate in self.rates) / (self.seconds or 1.0)

    @property
    def mean(self) -> float:
        """Events per second of all attach points."""
        return sum(rate.mean for rate in self.rates)

    @property
    def costs(self) -> list[EventCost]:
        """Cost per event, one for each attach type and instruction that it replaces."""
        found = {(rate.cost.attach, rate.cost.instruction): rate.cost for rate in self.rates}
        return list(found.values())

    @property
    def share(self) -> Share | None:
        """Share of one core; None where the cost of a probe is unknown."""
        return add(rate.share for rate in self.rates)

    @property
    def total(self) -> Share | None:
        """Share of one core, including what bystanders pay."""
        return self.share if self.bystanders is None else add([self.share, self.bystanders])

    @property
    def added_latency(self) -> float | None:
        """Overhead as a share of the latency at the busiest attach point; None if unknown."""
        overhead = self.rates[0].cost.overhead
        own = None if self.latency is None else self.latency.corrected_ns
        return None if not own or overhead is None else overhead.estimate / own


def add(shares: Iterable[Share | None]) -> Share | None:
    """Return the sum; None where one share is unknown."""
    total = Share(0.0, 0.0, 0.0)
    for share in shares:
        if share is None:
            return None
        total += share
    return total


def cheapest_first(alternatives: list[Alternative]) -> list[Alternative]:
    """Sort by the total share, with unknown shares last."""

    def key(each: Alternative) -> tuple[bool, float]:
        total = each.total
        return (total is None, 0.0 if total is None else total.estimate)

    return sorted(alternatives, key=key)
