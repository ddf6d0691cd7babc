"""What the kernel's helpers return, and which of their arguments is a map.

Numbers, names and results are those of ``include/uapi/linux/bpf.h`` (``__BPF_FUNC_MAPPER``), which
are a stable interface.  Only helpers are listed that can fail, or that do what is seen from
outside the program.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import Enum


class Returns(Enum):
    """How a helper says that it failed."""

    STATUS = "a negative errno"
    VALUE = "a negative errno, where it returns a number of 64 bits otherwise"
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
    answers : frozenset of int
        Errnos by which it answers what the program asks: what is there already, or is not there.
    """

    name: str
    returns: Returns = Returns.STATUS
    map_argument: int = 0
    works: bool = False
    is_buffer: bool = False
    answers: frozenset[int] = frozenset()

    @property
    def finds(self) -> bool:
        """Whether it looks for what may not be there."""
        return self.returns is Returns.POINTER and not self.works

    @property
    def deletes(self) -> bool:
        """Whether it takes out what may not be there."""
        return self.name.endswith(("_delete", "_delete_elem"))


def _reads(name: str) -> Helper:
    return Helper(name)


def _works(name: str, map_argument: int = 0, *answers: int) -> Helper:
    return Helper(name, map_argument=map_argument, works=True, answers=frozenset(answers))


def _hands_over(name: str, map_argument: int) -> Helper:
    return Helper(name, map_argument=map_argument, works=True, is_buffer=True)


def _finds(name: str, map_argument: int = 1) -> Helper:
    return Helper(name, Returns.POINTER, map_argument)


def _stores(name: str) -> Helper:
    return Helper(name, Returns.POINTER, 1, works=True)


LOOKUP, UPDATE, DELETE, TAIL_CALL, PERF_OUTPUT, STACK_ID = 1, 2, 3, 12, 25, 27
PUSH, POP, LOOKUP_PERCPU = 87, 88, 195
# They send a signal to the task that runs the program.
SIGNALS = (109, 117)
# It has the function that is probed return at once.
OVERRIDE_RETURN = 58

HELPERS = {
    LOOKUP: _finds("map_lookup_elem"),
    UPDATE: _works("map_update_elem", 1, errno.EEXIST, errno.ENOENT),
    DELETE: _works("map_delete_elem", 1, errno.ENOENT),
    4: _reads("probe_read"),
    6: _works("trace_printk"),
    9: _works("skb_store_bytes"),
    10: _works("l3_csum_replace"),
    11: _works("l4_csum_replace"),
    TAIL_CALL: Helper("tail_call", Returns.NOTHING, map_argument=2),
    13: _works("clone_redirect"),
    16: _reads("get_current_comm"),
    18: _works("skb_vlan_push"),
    19: _works("skb_vlan_pop"),
    20: _reads("skb_get_tunnel_key"),
    21: _works("skb_set_tunnel_key"),
    22: Helper("perf_event_read", Returns.VALUE, 1),
    PERF_OUTPUT: _hands_over("perf_event_output", 2),
    26: _reads("skb_load_bytes"),
    STACK_ID: _works("get_stackid", 2),
    28: Helper("csum_diff", Returns.VALUE),
    30: _works("skb_set_tunnel_opt"),
    31: _works("skb_change_proto"),
    32: _works("skb_change_type"),
    33: Helper("skb_under_cgroup", map_argument=2),
    36: _works("probe_write_user"),
    37: Helper("current_task_under_cgroup", map_argument=1),
    38: _works("skb_change_tail"),
    39: _reads("skb_pull_data"),
    40: Helper("csum_update", Returns.VALUE),
    43: _works("skb_change_head"),
    44: _works("xdp_adjust_head"),
    45: _reads("probe_read_str"),
    49: _works("setsockopt"),
    50: _works("skb_adjust_room"),
    53: _works("sock_map_update", 2, errno.EEXIST, errno.ENOENT),
    54: _works("xdp_adjust_meta"),
    55: Helper("perf_event_read_value", map_argument=1),
    56: _reads("perf_prog_read_value"),
    57: _reads("getsockopt"),
    OVERRIDE_RETURN: Helper("override_return", Returns.NOTHING, works=True),
    59: _works("sock_ops_cb_flags_set"),
    63: _reads("msg_pull_data"),
    64: _works("bind"),
    65: _works("xdp_adjust_tail"),
    66: _reads("skb_get_xfrm_state"),
    67: _reads("get_stack"),
    68: _reads("skb_load_bytes_relative"),
    69: _reads("fib_lookup"),
    70: _works("sock_hash_update", 2, errno.EEXIST, errno.ENOENT),
    73: _works("lwt_push_encap"),
    74: _works("lwt_seg6_store_bytes"),
    75: _works("lwt_seg6_adjust_srh"),
    76: _works("lwt_seg6_action"),
    82: _works("sk_select_reuseport", 2),
    PUSH: _works("map_push_elem", 1),
    POP: _works("map_pop_elem", 1),
    89: Helper("map_peek_elem", map_argument=1),
    90: _works("msg_push_data"),
    91: _works("msg_pop_data"),
    101: _reads("sysctl_get_name"),
    102: _reads("sysctl_get_current_value"),
    103: _reads("sysctl_get_new_value"),
    104: _works("sysctl_set_new_value"),
    105: _reads("strtol"),
    106: _reads("strtoul"),
    107: _stores("sk_storage_get"),
    108: _works("sk_storage_delete", 1, errno.ENOENT),
    109: _works("send_signal"),
    110: Helper("tcp_gen_syncookie", Returns.VALUE),
    111: _hands_over("skb_output", 2),
    112: _reads("probe_read_user"),
    113: _reads("probe_read_kernel"),
    114: _reads("probe_read_user_str"),
    115: _reads("probe_read_kernel_str"),
    116: _works("tcp_send_ack"),
    117: _works("send_signal_thread"),
    119: _reads("read_branch_records"),
    120: _reads("get_ns_current_pid_tgid"),
    121: _hands_over("xdp_output", 2),
    124: _works("sk_assign"),
    126: _works("seq_printf"),
    127: _works("seq_write"),
    130: _hands_over("ringbuf_output", 1),
    131: Helper("ringbuf_reserve", Returns.POINTER, 1, works=True, is_buffer=True),
    135: _works("csum_level"),
    141: _reads("get_task_stack"),
    142: _reads("load_hdr_opt"),
    143: _works("store_hdr_opt"),
    144: _works("reserve_hdr_opt"),
    145: _stores("inode_storage_get"),
    146: _works("inode_storage_delete", 1, errno.ENOENT),
    147: _reads("d_path"),
    148: _reads("copy_from_user"),
    149: _reads("snprintf_btf"),
    150: _works("seq_printf_btf"),
    156: _stores("task_storage_get"),
    157: _works("task_storage_delete", 1, errno.ENOENT),
    159: _works("bprm_opts_set"),
    161: _reads("ima_inode_hash"),
    163: _reads("check_mtu"),
    164: Helper("for_each_map_elem", map_argument=1),
    165: _reads("snprintf"),
    169: _works("timer_init", 0, errno.EBUSY),
    170: _works("timer_set_callback"),
    171: _works("timer_start"),
    172: _works("timer_cancel"),
    176: _reads("get_branch_snapshot"),
    177: _works("trace_vprintk"),
    179: _reads("kallsyms_lookup_name"),
    180: _reads("find_vma"),
    181: _reads("loop"),
    183: _reads("get_func_arg"),
    184: _reads("get_func_ret"),
    187: _works("set_retval"),
    189: _reads("xdp_load_bytes"),
    190: _works("xdp_store_bytes"),
    191: _reads("copy_from_user_task"),
    192: _works("skb_set_tstamp"),
    193: _reads("ima_file_hash"),
    LOOKUP_PERCPU: _finds("map_lookup_percpu_elem"),
    197: _reads("dynptr_from_mem"),
    198: _hands_over("ringbuf_reserve_dynptr", 1),
    201: _reads("dynptr_read"),
    202: _works("dynptr_write"),
    204: Helper("tcp_raw_gen_syncookie_ipv4", Returns.VALUE),
    205: Helper("tcp_raw_gen_syncookie_ipv6", Returns.VALUE),
    209: _works("user_ringbuf_drain", 1),
    210: _stores("cgrp_storage_get"),
    211: _works("cgrp_storage_delete", 1, errno.ENOENT),
}

# Helpers that make an element only if a flag asks for it (``BPF_LOCAL_STORAGE_GET_F_CREATE``); what
# they are without it.
FLAGS_OF_STORAGE = 4
UNLESS_CREATING = {number: _finds(HELPERS[number].name) for number in (107, 145, 156, 210)}

# Helpers that return the address of a value of the map that is their first argument.
VALUES = {LOOKUP, LOOKUP_PERCPU, *UNLESS_CREATING}
