"""Limits for differences: by how much more something may cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.comparison import ComparedRow, Comparison
from ebpf_overhead.report.quantities import INSTRUCTIONS, OF_A_CORE

_FORM = re.compile(r"\+?(?P<amount>\d+(\.\d+)?) ?(?P<unit>%|ns|instr|instructions)")
# Of other numbers, such as throughput, more is no cost.
_COSTS = {"ns", INSTRUCTIONS, OF_A_CORE}
_UNITS = {"instr": INSTRUCTIONS}


@dataclass(frozen=True)
class Limit:
    """How much more a row may cost.

    Attributes
    ----------
    amount : float
        So much, in its unit.
    unit : str
        ``%`` of what it cost before, ``ns`` or ``instructions``; rows of another unit have no
        limit by it.
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        return f"+{self.amount:g}{'' if self.unit == '%' else ' '}{self.unit}"

    def applies(self, row: ComparedRow) -> bool:
        """Whether a row could exceed it: a cost in its unit, which is judged."""
        named = _COSTS if self.unit == "%" else {self.unit}
        return row.before.unit in named and row.verdict != "not judged"

    def exceeded(self, row: ComparedRow) -> bool:
        """Whether a row costs more than that, by more than chance."""
        if row.verdict != "more" or not self.applies(row):
            return False
        if self.unit == "%":
            return row.ratio is None or 100 * (row.ratio - 1) > self.amount
        return row.difference.estimate > self.amount


def parse(text: str) -> Limit:
    """Return the limit that a text like ``5%``, ``+3instr`` or ``10ns`` says.

    Raises
    ------
    BadUseError
        It says none.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise BadUseError(f"{text!r} is no limit", "give one like 5%, +3instr or 10ns")
    return Limit(float(match["amount"]), _UNITS.get(match["unit"], match["unit"]))


def exceeding(comparison: Comparison, limits: Sequence[Limit]) -> list[str]:
    """Return what costs more than any of the limits, a line each, and what failed since.

    Raises
    ------
    BadUseError
        There are limits, and no row could exceed any of them.
    """
    found = _over(comparison, limits) + _failed_since(comparison)
    if not limits or found or any(each.applies(row) for each in limits for row in comparison.rows):
        return found
    units = sorted({row.before.unit for row in comparison.rows})
    rows = f"{len(comparison.rows)} rows, in {' and '.join(units)}," if units else "0 rows"
    raise BadUseError(
        f"none of {rows} can exceed {' or '.join(map(str, limits))}",
        "compare without --fail-on to see the rows: a limit is of costs that both have, in its"
        " unit, and either counted or with an interval",
    )


def _over(comparison: Comparison, limits: Iterable[Limit]) -> list[str]:
    return [
        f"{', '.join((row.after.what, *row.after.of))}: {row.difference.estimate:+,.1f}"
        f" {row.after.unit}, more than {limit}"
        for limit in limits
        for row in comparison.rows
        if limit.exceeded(row)
    ]


def _failed_since(comparison: Comparison) -> list[str]:
    measured = {each.asked for each in comparison.before.quantities}
    return [
        f"{', '.join(of)}: {reason}"
        for of, reason in comparison.after.reasons.items()
        if reason.startswith("failed") and of in measured
    ]
