"""What the programs of the grid add to calls of every workload, in guests (docs/workloads.md).

Not part of a default run: ``ebpf-overhead kernels measure 6.12 --bench '^workloads'``.
"""

from __future__ import annotations

from ebpf_overhead.hooks.attach_types import ALL_CALLS
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, select
from ebpf_overhead.workload.workloads import GETPID, WORKLOADS

from . import common, getpid

# The reference's, and the kernel's tracepoint of a system call.
_ATTACH = [name for name in STANDARD_ATTACH_TYPES if name != ALL_CALLS.name]
_WORKLOADS = [name for name, each in WORKLOADS.items() if each.kind == GETPID.kind]


@common.versions(track_baseline="1", track_instructions="1", track_overhead="1")
class Instructions(getpid.Instructions):
    """In instructions, where the clock counts them: in guests.  All are measured in one go."""

    params = (_ATTACH, list(STANDARD_PROGRAMS), _WORKLOADS)
    param_names = (*common.GRID_NAMES, "target")
    timeout = 3600

    # asv knows a cache by the line of its function: this is another one than getpid's.
    def setup_cache(self) -> common.Counted:
        return common.counted(select(_ATTACH, workload=_WORKLOADS))
