"""Cases that were measured while the machine was slower than it can be.

On a machine that others share, unprobed calls take a fifth more for seconds at a time, and a
probe costs more by as much.  No interval of a case that is measured meanwhile says so, as all
of its windows are alike; the baselines of the other cases do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ebpf_overhead import clock
from ebpf_overhead.cases import Target
from ebpf_overhead.measure import Measurement, Result

# Undisturbed, the same call takes the same within a few percent; a call of a function, which is
# 1 ns, within a part of one.
_SLOWER, _SLOWER_NS = 1.1, 2.0

_Key = TypeVar("_Key")


def slower(baselines: Mapping[_Key, float]) -> list[_Key]:
    """Return which of several baselines of one call are those of a machine that was disturbed.

    Parameters
    ----------
    baselines : mapping to float
        What the unprobed call took, in ns.
    """
    best = min(baselines.values(), default=0.0)
    limit = max(_SLOWER * best, best + _SLOWER_NS)
    return [key for key, value in baselines.items() if value > limit]


def disturbed(results: Sequence[Result]) -> list[int]:
    """Return the places of the results to be measured again, in order."""
    if not clock.current().places_matter:
        return []
    baselines: dict[Target, dict[int, float]] = {}
    for place, measurement in _alone(results):
        target = results[place].case.target
        baselines.setdefault(target, {})[place] = measurement.baseline.median
    return sorted(place for found in baselines.values() for place in slower(found))


def _alone(results: Sequence[Result]) -> Iterator[tuple[int, Measurement]]:
    """Yield those with the target's own call, and nothing beside it, for a baseline."""
    for place, result in enumerate(results):
        if result.measurement is not None and not result.bystander and not result.beside.cases:
            yield place, result.measurement


def with_better(results: Sequence[Result], again: Iterable[tuple[int, Result]]) -> list[Result]:
    """Return results with those in place that were measured again and disturbed less.

    Parameters
    ----------
    results : sequence of Result
        As they were first.
    again : iterable of (int, Result)
        Some of them once more, with their places.
    """
    found = list(results)
    for place, result in again:
        before = found[place].measurement
        assert before is not None
        after = result.measurement
        if after is not None and after.baseline.median < before.baseline.median:
            found[place] = replace(result, measurement=replace(after, repeated=True))
    return found
