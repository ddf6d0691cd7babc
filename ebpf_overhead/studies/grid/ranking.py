"""Which case is the cheapest, and which are distinguished: what is said below a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record

Case = dict[str, Any]

SAME = "cannot be distinguished"
# What is printed with one digit behind the point: less than that is nothing.
_NOTHING = 0.05


class Differences:
    """The differences between the cases of a record.

    Parameters
    ----------
    record : dict
        The whole record: its differences name cases by their places.
    """

    def __init__(self, record: Record) -> None:
        self._places = {id(case): place for place, case in enumerate(record["cases"])}
        self._found = {
            (each["first"]["case"], each["second"]["case"]): Interval(**each["difference"])
            for each in record.get("differences", ())
        }

    def of(self, first: Case, second: Case) -> Interval | None:
        """Return how much more the first costs than the second, if that is known."""
        places = self._places[id(first)], self._places[id(second)]
        if places in self._found:
            return self._found[places]
        other = self._found.get((places[1], places[0]))
        return None if other is None else -other


def ranking(
    cases: Sequence[Case], differences: Differences, label: Callable[[Case], str]
) -> tuple[str, ...]:
    """Return cases in the order of their costs, as a line of text; none for fewer than two.

    Parameters
    ----------
    cases : sequence of dict
        The rows of a table.
    differences : Differences
        Of the record that they are of.
    label : callable
        Names a case.
    """
    alone = [case for case in cases if "overhead" in case and "beside" not in case]
    ranked = sorted(alone, key=lambda case: float(case["overhead"]["estimate"]))
    steps = [differences.of(more, less) for less, more in pairwise(ranked)]
    found = [step for step in steps if step is not None]
    if not steps or len(found) < len(steps):
        return ()
    unit = ranked[0]["unit"]
    followers = [
        f"{label(case)} ({in_words(step, unit)})"
        for case, step in zip(ranked[1:], found, strict=True)
    ]
    return (
        "Cheapest first, each with what it costs more than the one before: "
        + "; ".join([label(ranked[0]), *followers]),
    )


def measured_apart(record: Record) -> list[str]:
    """Return a line where cases that are compared did not take turns."""
    firsts = (
        record["cases"][each["first"]["case"]]
        for each in record.get("differences", ())
        if not each["paired"]
    )
    if not any(case["unit"] == "ns" and "bystander" not in case for case in firsts):
        return []
    return [
        "not all cases took turns: the differences of those that did not are as uncertain as both"
        " overheads together (paired, in the JSON)"
    ]


def is_exact(difference: Interval) -> bool:
    """Whether a difference has no interval to speak of."""
    return difference.half_width < _NOTHING


def in_words(difference: Interval, unit: str) -> str:
    """Return a difference with its interval, where it has one, and whether it is one."""
    if is_exact(difference):
        same = abs(difference.estimate) < _NOTHING
        return "the same" if same else f"{difference.estimate:+.1f} {unit}"
    text = f"{difference.estimate:+.1f} {unit}, {difference.low:+.1f} … {difference.high:+.1f}"
    return text if difference.excludes_zero else f"{text}: {SAME}"
