"""The parts of the self-check, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.studies.selfcheck import after_detach, agreement, injected, null
from ebpf_overhead.studies.selfcheck.comparing import Comparing, Progress
from ebpf_overhead.studies.selfcheck.judging import Check


@dataclass(frozen=True)
class CheckedPart:
    """A part of the self-check.

    Attributes
    ----------
    name : str
        Name for people.
    checks : callable
        Makes its checks.
    """

    name: str
    checks: Callable[[Comparing, str, Progress], Iterator[Check]]


@dataclass(frozen=True)
class Uncheckable:
    """A part of which some checks cannot be made here.

    Attributes
    ----------
    part : str
        Its name.
    error : OverheadError
        Why not.
    """

    part: str
    error: OverheadError


# What remains after detaching can be seen only before anything else was attached.
PARTS = (
    CheckedPart("after detach", after_detach.nothing_remains),
    CheckedPart("null test: nothing against nothing", null.nothing),
    CheckedPart("null test: a probe against itself", null.itself),
    CheckedPart("injected cost", injected.injected),
    CheckedPart("proportionality", null.proportional),
    CheckedPart("order", null.order),
    CheckedPart("agreement", agreement.agreement),
)


def measure(
    parts: Sequence[CheckedPart],
    attach: str,
    how: Comparing,
    progress: Callable[[CheckedPart, float], None] = lambda part, share: None,
) -> Iterator[Check | Uncheckable]:
    """Make the checks of some parts.

    Parameters
    ----------
    parts : sequence of CheckedPart
        Which.
    attach : str
        Attach type of the probes.
    how : Comparing
        How comparisons are made.
    progress : callable, optional
        Called with the part at hand and the share of it that is done.

    Yields
    ------
    Check or Uncheckable
        In order; never an exception for what this kernel cannot do.
    """
    for part in parts:

        def show(share: float, part: CheckedPart = part) -> None:
            progress(part, min(share, 0.99))

        try:
            yield from part.checks(how, attach, show)
        except OverheadError as error:
            yield Uncheckable(part.name, error)
