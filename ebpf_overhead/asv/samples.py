"""Intervals in the form in which asv keeps, compares and shows what it measured."""

from __future__ import annotations

# asv's 99 % interval of the median of nine samples is their range.
_HALF_OF_SAMPLES = 4


def samples_of(estimate: float, low: float, high: float, number: int) -> dict[str, object]:
    """Return an interval in the form in which a ``track_*`` gets asv's statistics.

    Nine samples stand for it: their median is the estimate, and their range its interval, so that
    asv shows and compares what was found.  asv prints them in full: they have two decimals.

    Parameters
    ----------
    estimate, low, high : float
        What was found, and the ends of its 99 % interval, in any unit.
    number : int
        How many calls each sample is of.
    """
    shares = [step / _HALF_OF_SAMPLES for step in range(_HALF_OF_SAMPLES + 1)]
    below = [low + share * (estimate - low) for share in shares]
    above = [estimate + share * (high - estimate) for share in shares]
    return {"samples": [round(each, 2) for each in (*below, *above[1:])], "number": number}
