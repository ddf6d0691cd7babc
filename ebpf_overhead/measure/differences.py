"""How much more one case costs than another one of the same run.

Cases that took turns saw the same rounds, and share the windows without a probe.  So their
difference is that of the calls with the two probes, round by round: what disturbed a round
disturbed both.  Its interval comes from the same resamples of rounds as those of overheads
(:func:`ebpf_overhead.measure.undisturbed.difference`): in each, both cases have the same rounds.

Cases that did not take turns have overheads that are independent.  Zou and Donner, "Construction
of confidence intervals based on the closeness of limits", Statistics in Medicine 27, 2008, give the
interval of their difference.  So it is for instructions, which are the same in every minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import hypot

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure.result import Measurement, Result
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.undisturbed import Scatter, difference


@dataclass(frozen=True)
class Difference:
    """How much more one case costs than another.

    Attributes
    ----------
    first, second : int
        Which of the results.
    more : Interval
        The overhead of the first minus that of the second.
    paired : bool
        Whether they were measured in the same rounds.
    """

    first: int
    second: int
    more: Interval
    paired: bool


def differences(results: Sequence[Result], scatter: Scatter | None = None) -> list[Difference]:
    """Return the differences of all cases of a run that can be compared.

    Parameters
    ----------
    results : sequence of Result
        Of one run.
    scatter : Scatter, optional
        What varies from run to run on this machine.
    """
    return list(_differences(results, scatter or Scatter()))


def _differences(results: Sequence[Result], scatter: Scatter) -> Iterator[Difference]:
    measured = [(n, each, each.measurement) for n, each in enumerate(results) if each.measurement]
    for (one, before, less), (other, after, more) in combinations(measured, 2):
        if comparable(before.case, after.case):
            yield Difference(other, one, compared(more, less, scatter), in_same_rounds(more, less))


def comparable(one: Case, other: Case) -> bool:
    """Whether two cases ask the same, but for the attach type or the program.

    Both may differ where the programs are the user's own: they may be two versions.
    """
    own = one.program.source is not None and other.program.source is not None
    return (own or one.program == other.program or one.attach == other.attach) and (
        _conditions(one) == _conditions(other)
    )


def _conditions(case: Case) -> object:
    """Return all of a case but its probe; programs that are beside it vary with it."""
    together = case.co_attached.together
    return case.workload, case.caller, case.statistics, case.co_attached.programs > 1, together


def in_same_rounds(one: Measurement, other: Measurement) -> bool:
    """Whether two cases took turns, and so share the windows without a probe."""
    return (
        one.levels is not None
        and other.levels is not None
        and one.levels.baseline is other.levels.baseline
    )


def compared(first: Measurement, second: Measurement, scatter: Scatter) -> Interval:
    """Return how much more the first costs than the second, with its interval.

    Parameters
    ----------
    first, second : Measurement
        Of one run, and of the same workload.
    scatter : Scatter
        What varies from run to run.
    """
    if first.levels and second.levels and in_same_rounds(first, second):
        unrest = first.levels.unrest
        return difference(first.levels.probed, second.levels.probed, scatter, unrest=unrest)
    return independent(first.overhead, second.overhead)


def independent(first: Interval, second: Interval) -> Interval:
    """Return the difference of two estimates that know nothing of each other."""
    estimate = first.estimate - second.estimate
    return replace(
        first,
        estimate=estimate,
        low=estimate - hypot(first.estimate - first.low, second.high - second.estimate),
        high=estimate + hypot(first.high - first.estimate, second.estimate - second.low),
    )
