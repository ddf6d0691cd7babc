"""Where the time of a run goes: starting, compiling, loading, switching, proving, sampling."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_spent_s: dict[str, float] = {}


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Add the time of a block to a phase; a phase inside another is taken out of that one.

    Parameters
    ----------
    name : str
        Name of the phase.
    """
    start = time.monotonic()
    inner_before = sum(_spent_s.values())
    try:
        yield
    finally:
        elapsed = time.monotonic() - start
        inner = sum(_spent_s.values()) - inner_before
        _spent_s[name] = _spent_s.get(name, 0.0) + elapsed - inner


def spent() -> dict[str, float]:
    """Return the seconds of each phase since the process began, ``other`` included.

    To the millisecond.
    """
    total = process_age_s()
    found = {**_spent_s, "other": max(total - sum(_spent_s.values()), 0.0), "total": total}
    return {name: round(seconds, 3) for name, seconds in found.items()}


def mark_started() -> None:
    """Count everything so far as ``start``: the interpreter and the imports."""
    _spent_s["start"] = process_age_s()


def process_age_s(process: Path = Path("/proc/self")) -> float:
    """Return how long a process has been running, in seconds, to a clock tick."""
    stat = (process / "stat").read_text(errors="replace")
    # Field 22 is the start time; the command name before it may hold spaces.
    start_ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")
