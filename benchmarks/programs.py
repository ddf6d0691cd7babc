"""What each program of the catalogue costs, by attach type.

Not part of a default run: ask for it with ``--bench '^programs'``.
"""

from __future__ import annotations

from ebpf_overhead.cases import select
from ebpf_overhead.catalogue import PROGRAM_GROUPS

from . import common, getpid

_ATTACH = ["tp_btf", "fentry", "kprobe"]
_PROGRAMS = [name for name in PROGRAM_GROUPS["all"] if name not in PROGRAM_GROUPS["reference"]]


class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests."""

    params = (_ATTACH, _PROGRAMS)
    timeout = 900

    def setup_cache(self) -> common.Counted:
        return common.counted(select(_ATTACH, _PROGRAMS))


class Overhead(getpid.Overhead):
    """In ns: paired difference of probed and baseline windows."""

    params = (_ATTACH, _PROGRAMS)
