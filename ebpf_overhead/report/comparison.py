"""Two results side by side: which numbers differ, by how much, and whether it is more than chance.

What was counted either differs or not.  What was timed has an interval; that of the difference is
:func:`ebpf_overhead.measure.differences.independent`, or what the record itself says of two cases
that took turns.  Of many rows, one in a hundred would differ by chance at 99 %.  So the intervals
that decide are as wide as keeps it at 99 % for all rows together (Bonferroni; Dunn, "Multiple
comparisons among means", Journal of the American Statistical Association 56, 1961).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.differences import independent
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.quantities import Quantity
from ebpf_overhead.report.side import Paired, Side, nothing_paired

# A call executes whole instructions.  What is less, or less than runs of one kernel lie apart
# (docs/kernels.md), is no difference.
_SAME_INSTRUCTIONS, _SAME_SHARE = 0.5, 0.0005

Verdict = Literal["more", "less", "same", "perhaps", "not judged"]


@dataclass(frozen=True)
class ComparedRow:
    """A number that both results have.

    Attributes
    ----------
    before, after : Quantity
        The two.
    difference : Interval
        After minus before.
    verdict : str
        What is to be said of it; ``perhaps`` if it may be chance among so many rows.
    """

    before: Quantity
    after: Quantity
    difference: Interval
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """After as a multiple of before; None where before is nothing or less."""
        before, after = self.before.value.estimate, self.after.value.estimate
        return after / before if before > 0 else None

    @property
    def changed(self) -> bool:
        """Whether it differs."""
        return self.verdict in ("more", "less")

    @property
    def another_program(self) -> bool:
        """Whether the program was compiled otherwise: the difference is its own as well."""
        return bool(self.before.tag and self.after.tag and self.before.tag != self.after.tag)


@dataclass(frozen=True)
class Comparison:
    """What two results have in common, and what not.

    Attributes
    ----------
    before, after : Side
        The two results.
    rows : tuple of ComparedRow
        The numbers that both have.
    only_before, only_after : tuple of Quantity
        The numbers that one has.
    differing : dict of str to tuple of str and str
        What their numbers rest on where it is not the same.
    """

    before: Side
    after: Side
    rows: tuple[ComparedRow, ...]
    only_before: tuple[Quantity, ...]
    only_after: tuple[Quantity, ...]
    differing: Mapping[str, tuple[str, str]]

    @property
    def changed(self) -> tuple[ComparedRow, ...]:
        """The rows that differ."""
        return tuple(row for row in self.rows if row.changed)


def compare(
    before: Side, after: Side, *, anyway: bool = False, paired: Paired = nothing_paired
) -> Comparison:
    """Compare two results.

    Parameters
    ----------
    before, after : Side
        The results.
    anyway : bool
        Whether to compare numbers of different CPU models, accelerators or architectures.
    paired : callable, optional
        Gives the difference of two numbers that were measured in turns; None for others.

    Raises
    ------
    BadUseError
        Their numbers mean different things, or they have none in common.
    """
    differing = {
        name: (mine, after.basis[name])
        for name, mine in before.basis.items()
        if after.basis.get(name, mine) != mine
    }
    _require_comparable(before, after, differing, anyway)
    old, new = before.numbered, after.numbered
    both = [(old[key], new[key]) for key in old if key in new]
    if not both and not (before.reasons and after.reasons):
        raise BadUseError(
            f"{before.name} and {after.name} have no row in common",
            f"{_kinds(before)} in the one, {_kinds(after)} in the other; one program of a file is"
            " named FILE:PROGRAM",
        )
    return Comparison(
        before,
        after,
        tuple(_judged(both, paired)),
        tuple(old[key] for key in old if key not in new),
        tuple(new[key] for key in new if key not in old),
        differing,
    )


def _require_comparable(
    before: Side, after: Side, differing: Mapping[str, tuple[str, str]], anyway: bool
) -> None:
    if "clock" in differing:
        clocks = {"icount": "counts instructions", "wall": "takes time"}
        mine, other = (clocks.get(each, each) for each in differing["clock"])
        raise BadUseError(
            f"{before.name} {mine} and {after.name} {other}: they cannot be compared",
            "measure both by the same clock",
        )
    if differing and not anyway:
        what = "; ".join(f"{name} {a} and {b}" for name, (a, b) in differing.items())
        raise BadUseError(
            f"{before.name} and {after.name} differ in more than what is compared: {what}",
            "--anyway compares them all the same, and says so",
        )


def _kinds(side: Side) -> str:
    found = dict.fromkeys(f"{', '.join(each.of)} ({each.unit})" for each in side.quantities)
    return "; ".join(list(found)[:2]) + (" …" if len(found) > 2 else "") or "nothing"


def _judged(both: Iterable[tuple[Quantity, Quantity]], paired: Paired) -> Iterable[ComparedRow]:
    found = [(a, b, paired(b, a) or independent(b.value, a.value)) for a, b in both]
    timed = sum(not a.exact and a.known and b.known for a, b, _ in found)
    for before, after, difference in found:
        yield ComparedRow(before, after, difference, _verdict(before, after, difference, timed))


def _verdict(before: Quantity, after: Quantity, difference: Interval, timed: int) -> Verdict:
    if not (before.known and after.known):
        return "not judged"
    more = difference.estimate
    if before.exact:
        largest = max(abs(before.value.estimate), abs(after.value.estimate))
        if abs(more) <= max(_SAME_INSTRUCTIONS, _SAME_SHARE * largest):
            return "same"
    elif not difference.excludes_zero:
        return "same"
    if not _wider(difference, 1 if before.exact else timed).excludes_zero:
        return "perhaps"
    return "more" if more > 0 else "less"


def _wider(value: Interval, rows: int) -> Interval:
    """Return an interval as one of so many that all are right with its confidence."""
    from statistics import NormalDist  # Here: it imports much.

    tail = (1 - value.confidence) / 2
    quantile = NormalDist().inv_cdf
    by = quantile(tail / max(rows, 1)) / quantile(tail)
    low, high = value.estimate - value.low, value.high - value.estimate
    return replace(value, low=value.estimate - by * low, high=value.estimate + by * high)
