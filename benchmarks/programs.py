"""What each program of the catalogue costs, by attach type.

Not part of a default run: ask for it with ``--bench '^programs'``.
"""

from __future__ import annotations

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.programs.catalogue import PROGRAM_GROUPS

from . import common, getpid

_ATTACH = list(REFERENCE)
_PROGRAMS = [name for name in PROGRAM_GROUPS["all"] if name not in PROGRAM_GROUPS["reference"]]


@common.versions(
    track_baseline="374c34c2e7aea2bccaafed3540e761678955bf322559bb7beeb7832d01076665",
    track_instructions="16beb1ace4d7263d5d91e8c05792f2fbe7dd474e4c5e691b7177a7dbaa403027",
    track_overhead="db58f06598f7b40d51001a4c2863c1c93af8cf60539adadd343bf03d8459bc19",
)
class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests."""

    params = (_ATTACH, _PROGRAMS)
    timeout = 900

    def setup_cache(self) -> common.Counted:
        return common.counted(select(_ATTACH, _PROGRAMS))


class Overhead(getpid.Overhead):
    """In ns: paired difference of probed and baseline windows."""

    params = (_ATTACH, _PROGRAMS)
    timeout = 900

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> common.Counted:
        return common.timed(select(_ATTACH, _PROGRAMS))
