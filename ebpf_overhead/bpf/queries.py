"""Which programs are attached to a cgroup or a network device, by links or without."""

from __future__ import annotations

from ctypes import c_uint32
from enum import IntEnum

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.structures import ProgQueryAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call

_PROGRAMS_MAX = 64  # BPF_CGROUP_MAX_PROGS and BPF_MPROG_MAX

# ``enum bpf_attach_type``: all of it, for names.
HookType = IntEnum(
    "HookType",
    "CGROUP_INET_INGRESS CGROUP_INET_EGRESS CGROUP_INET_SOCK_CREATE CGROUP_SOCK_OPS"
    " SK_SKB_STREAM_PARSER SK_SKB_STREAM_VERDICT CGROUP_DEVICE SK_MSG_VERDICT CGROUP_INET4_BIND"
    " CGROUP_INET6_BIND CGROUP_INET4_CONNECT CGROUP_INET6_CONNECT CGROUP_INET4_POST_BIND"
    " CGROUP_INET6_POST_BIND CGROUP_UDP4_SENDMSG CGROUP_UDP6_SENDMSG LIRC_MODE2 FLOW_DISSECTOR"
    " CGROUP_SYSCTL CGROUP_UDP4_RECVMSG CGROUP_UDP6_RECVMSG CGROUP_GETSOCKOPT CGROUP_SETSOCKOPT"
    " TRACE_RAW_TP TRACE_FENTRY TRACE_FEXIT MODIFY_RETURN LSM_MAC TRACE_ITER"
    " CGROUP_INET4_GETPEERNAME CGROUP_INET6_GETPEERNAME CGROUP_INET4_GETSOCKNAME"
    " CGROUP_INET6_GETSOCKNAME XDP_DEVMAP CGROUP_INET_SOCK_RELEASE XDP_CPUMAP SK_LOOKUP XDP"
    " SK_SKB_VERDICT SK_REUSEPORT_SELECT SK_REUSEPORT_SELECT_OR_MIGRATE PERF_EVENT"
    " TRACE_KPROBE_MULTI LSM_CGROUP STRUCT_OPS NETFILTER TCX_INGRESS TCX_EGRESS"
    " TRACE_UPROBE_MULTI CGROUP_UNIX_CONNECT CGROUP_UNIX_SENDMSG CGROUP_UNIX_RECVMSG"
    " CGROUP_UNIX_GETPEERNAME CGROUP_UNIX_GETSOCKNAME NETKIT_PRIMARY NETKIT_PEER",
    start=0,
)


def attached(target: int, hook: HookType) -> list[int]:
    """Return the ids of the programs at a hook.

    Parameters
    ----------
    target : int
        Descriptor of a cgroup, or number of a network device of this thread's namespace.
    hook : HookType
        Which of its hooks.

    Raises
    ------
    OSError
        The kernel does not know the hook, or the device has none; or privileges are missing.
    """
    numbers = (c_uint32 * _PROGRAMS_MAX)()
    attribute = ProgQueryAttr(
        target=target,
        attach_type=hook,
        prog_ids=_syscalls.address(numbers),
        prog_cnt=_PROGRAMS_MAX,
    )
    call(BpfCommand.PROG_QUERY, attribute)
    return list(numbers[: attribute.prog_cnt])
