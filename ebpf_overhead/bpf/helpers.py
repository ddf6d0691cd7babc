"""What the kernel's helpers return, and which of their arguments is a map.

Numbers, names and results are those of ``include/uapi/linux/bpf.h`` (``__BPF_FUNC_MAPPER``), which
are a stable interface.  Only helpers are listed that can fail, or that do what is seen from
outside the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Returns(Enum):
    """How a helper says that it failed."""

    STATUS = "a negative errno"
    POINTER = "a null pointer"
    NOTHING = "no word: it does not return where it succeeds, or cannot fail"


@dataclass(frozen=True)
class Helper:
    """A helper function of the kernel.

    Attributes
    ----------
    name : str
        Its name without ``bpf_``.
    returns : Returns
        How it says that it failed.
    map_argument : int
        Which argument is its map, counted from 1; 0 where it has none.
    works : bool
        Whether it is what a program is there for: it changes a map or hands something on.
        The others find something out.
    is_buffer : bool
        Whether it hands a record to user space.
    """

    name: str
    returns: Returns = Returns.STATUS
    map_argument: int = 0
    works: bool = False
    is_buffer: bool = False


def _reads(name: str) -> Helper:
    return Helper(name)


def _stores(name: str, map_argument: int = 1) -> Helper:
    return Helper(name, map_argument=map_argument, works=True)


def _finds(name: str, map_argument: int = 1) -> Helper:
    return Helper(name, Returns.POINTER, map_argument)


LOOKUP, UPDATE, DELETE, TAIL_CALL, PERF_OUTPUT = 1, 2, 3, 12, 25
# They send a signal to the task that runs the program.
SIGNALS = (109, 117)

HELPERS = {
    LOOKUP: _finds("map_lookup_elem"),
    UPDATE: _stores("map_update_elem"),
    DELETE: Helper("map_delete_elem", map_argument=1, works=True),
    4: _reads("probe_read"),
    6: Helper("trace_printk", works=True),
    TAIL_CALL: Helper("tail_call", Returns.NOTHING, map_argument=2, works=True),
    16: _reads("get_current_comm"),
    PERF_OUTPUT: Helper("perf_event_output", map_argument=2, works=True, is_buffer=True),
    27: _stores("get_stackid", 2),
    36: Helper("probe_write_user", works=True),
    45: _reads("probe_read_str"),
    55: Helper("perf_event_read_value", map_argument=1),
    67: _reads("get_stack"),
    87: _stores("map_push_elem"),
    88: Helper("map_pop_elem", map_argument=1, works=True),
    89: Helper("map_peek_elem", map_argument=1),
    107: _finds("sk_storage_get"),
    109: Helper("send_signal", works=True),
    117: Helper("send_signal_thread", works=True),
    112: _reads("probe_read_user"),
    113: _reads("probe_read_kernel"),
    114: _reads("probe_read_user_str"),
    115: _reads("probe_read_kernel_str"),
    120: _reads("get_ns_current_pid_tgid"),
    130: Helper("ringbuf_output", map_argument=1, works=True, is_buffer=True),
    131: Helper("ringbuf_reserve", Returns.POINTER, 1, works=True, is_buffer=True),
    141: _reads("get_task_stack"),
    145: _finds("inode_storage_get"),
    147: _reads("d_path"),
    148: _reads("copy_from_user"),
    156: Helper("task_storage_get", Returns.POINTER, 1, works=True),
    164: Helper("for_each_map_elem", map_argument=1),
    195: _finds("map_lookup_percpu_elem"),
    210: Helper("cgrp_storage_get", Returns.POINTER, 1, works=True),
}
