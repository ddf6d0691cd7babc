"""What the further forms of tracepoint cost: at exit, and at every system call through perf.

Not part of a default run: ``asv run --bench '^tracepoints'``.
"""

from __future__ import annotations

from ebpf_overhead.cases import GROUPS, STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, select

from . import common, getpid

_FORMS = [name for name in GROUPS["tracepoints"] if name not in STANDARD_ATTACH_TYPES]
_GRID = (_FORMS, list(STANDARD_PROGRAMS))


class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests."""

    params = _GRID

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> common.Counted:
        return common.counted(select(_FORMS))


class Probed(getpid.Probed):
    """getpid with one program attached."""

    params = _GRID


class Overhead(getpid.Overhead):
    """What the program adds to a call: paired difference of probed and baseline windows."""

    params = _GRID
