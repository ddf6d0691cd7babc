"""What the further forms of tracepoint cost: at exit, and at every system call through perf.

Not part of a default run: ``asv run --bench '^tracepoints'``.
"""

from __future__ import annotations

from ebpf_overhead.hooks.cases import GROUPS, STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, select

from . import common, getpid

_FORMS = [name for name in GROUPS["tracepoints"] if name not in STANDARD_ATTACH_TYPES]
_GRID = (_FORMS, list(STANDARD_PROGRAMS))


@common.versions(
    track_baseline="1b338dbefdbae05ef702aeeb80df0f30cb299305dee7e25abee66a1911276de1",
    track_instructions="ee70631a9b1bf9a564fd99f9c62569e66d23665a29a1be8072953975592277f3",
    track_overhead="f7d82086d5ec7f8d624dfbdea4ad80e7e7ea74673bcfbad8c450c8d6a6cbc0ca",
)
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

    def setup_cache(self) -> common.Counted:
        return common.timed(select(_FORMS))
