"""The attach types: one table, a row for each.

Everything that is true of an attach type stands in its row, and no other module names one:
what needs a certain kind reads the rows, or one of the roles below the table.
"""

from __future__ import annotations

import re
from functools import partial

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.hooks import (
    kprobes,
    many_points,
    network,
    samples,
    tracepoints,
    trampolines,
    uprobes,
)
from ebpf_overhead.hooks.attach_kinds import (
    BREAKPOINT,
    DEVICE,
    FPROBE,
    KPROBE,
    KPROBE_MULTI,
    PERF_EVENT,
    RAW,
    REPLACED,
    SECURITY,
    SECURITY_HOOK,
    SLEEPABLE,
    SWITCH_EVENT,
    SWITCH_TYPED,
    TRACING,
    TRACING_MULTI,
    TRAMPOLINE,
    TYPED,
    UPROBE,
    UPROBE_MULTI,
)
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, TRACEPOINT, USER, AttachType

_ROWS = (
    PERF_EVENT(
        "tracepoint",
        go_name="SyscallTracepoint",
        points=partial(tracepoints.event, "syscalls:sys_enter_{syscall}"),
        serves=(SYSCALL, TRACEPOINT),
        # perf handles a system call's event in another way than any other's.
        like="sys_enter_.*",
        aliases=("tp", "t"),
        at_return="tracepoint_exit",
    ),
    PERF_EVENT(
        "tracepoint_exit",
        go_name="SyscallExitTracepoint",
        points=partial(tracepoints.event, "syscalls:sys_exit_{syscall}"),
        moment="return",
        like="sys_exit_.*",
        kernel_name="tracepoint",
    ),
    PERF_EVENT(
        "raw_syscalls",
        go_name="RawSyscallsTracepoint",
        points=partial(tracepoints.event, "raw_syscalls:sys_enter"),
        system_wide=True,
        kernel_name="tracepoint",
    ),
    RAW(
        "raw_tracepoint",
        go_name="RawTracepoint",
        points=partial(tracepoints.event, "sys_enter"),
        serves=(SYSCALL, TRACEPOINT),
        aliases=("rt", "raw_tp", "rawtracepoint"),
    ),
    RAW(
        "raw_tracepoint_exit",
        go_name="RawExitTracepoint",
        points=partial(tracepoints.event, "sys_exit"),
        moment="return",
        kernel_name="raw_tracepoint",
    ),
    TYPED(
        "tp_btf",
        go_name="Tracepoint",
        points=partial(tracepoints.event, "sys_enter"),
        serves=(SYSCALL, TRACEPOINT),
        reference="tracepoint",
    ),
    TYPED(
        "tp_btf_exit",
        go_name="ExitTracepoint",
        points=partial(tracepoints.event, "sys_exit"),
        moment="return",
        kernel_name="tp_btf",
    ),
    TRACING(
        "fentry",
        go_name="Fentry",
        reach=TRAMPOLINE,
        expected=TraceAttachType.FENTRY,
        aliases=("kfunc",),
        at_return="fexit",
        reference="fentry",
    ),
    TRACING(
        "fexit",
        go_name="Fexit",
        reach=f"{TRAMPOLINE}; it calls the function, then the program",
        expected=TraceAttachType.FEXIT,
        moment="return",
        aliases=("kretfunc",),
    ),
    TRACING(
        "fsession",
        go_name="Fsession",
        reach=f"{TRAMPOLINE}; it calls the program, the function, and the program again",
        since="7.0, 2d419c44658f",
        expected=TraceAttachType.TRACE_FSESSION,
        moment="both",
    ),
    TRACING_MULTI(
        "fentry_multi",
        go_name="FentryMulti",
        reach=f"{TRAMPOLINE}; one link for many functions",
        expected=TraceAttachType.TRACE_FENTRY_MULTI,
    ),
    TRACING_MULTI(
        "fexit_multi",
        go_name="FexitMulti",
        reach=f"{TRAMPOLINE}, as fexit; one link for many functions",
        expected=TraceAttachType.TRACE_FEXIT_MULTI,
        moment="return",
    ),
    TRACING_MULTI(
        "fsession_multi",
        go_name="FsessionMulti",
        reach=f"{TRAMPOLINE}, as fsession; one link for many functions",
        since="7.2, ba042ed6446f",
        expected=TraceAttachType.TRACE_FSESSION_MULTI,
        moment="both",
    ),
    SECURITY(
        "fmod_ret",
        go_name="FmodRet",
        reach=f"{TRAMPOLINE}; then the function, unless the program says no",
        since="5.7, ae24082331d9",
        needs="CONFIG_DEBUG_INFO_BTF, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
        prog_type=ProgType.TRACING,
        expected=TraceAttachType.MODIFY_RETURN,
        points=trampolines.security_functions,
        find=trampolines.find_function,
    ),
    SECURITY_HOOK("lsm", go_name="Lsm", points=trampolines.security_hooks),
    KPROBE(
        "kprobe",
        go_name="Kprobe",
        reach="ftrace trampoline of the function's nop, kprobe handler, perf's list of programs",
        serves=(FUNCTION, SYSCALL),
        like="[^+]*",
        aliases=("k", "ksyscall"),
        at_return="kretprobe",
        reference="kprobe",
    ),
    KPROBE(
        "kprobe_offset",
        go_name="KprobeOffset",
        reach="int3 (arm64: brk) inside the function, kprobe handler, perf's list of programs",
        points=kprobes.breakpoints,
        many=many_points.none,
        kernel_name="kprobe",
    ),
    KPROBE(
        "kretprobe",
        go_name="Kretprobe",
        reach=f"as kprobe {REPLACED}",
        moment="return",
        serves=(FUNCTION, SYSCALL),
        aliases=("kr", "kretsyscall"),
    ),
    KPROBE_MULTI("kprobe_multi", go_name="KprobeMulti", reach=FPROBE),
    KPROBE_MULTI(
        "kretprobe_multi",
        go_name="KretprobeMulti",
        reach=f"{FPROBE}; at return through a replaced return address",
        moment="return",
    ),
    KPROBE_MULTI(
        "kprobe_session",
        go_name="KprobeSession",
        reach=f"{FPROBE}; at entry and at return",
        since="6.10, 535a3692ba72",
        expected=TraceAttachType.TRACE_KPROBE_SESSION,
        moment="both",
    ),
    UPROBE(
        "uprobe",
        go_name="Uprobe",
        reach=f"{BREAKPOINT}, perf's list of programs",
        serves=(USER,),
        aliases=("u",),
        at_return="uretprobe",
    ),
    UPROBE(
        "uretprobe",
        go_name="Uretprobe",
        find=uprobes.find_return,
        reach=f"as uprobe {REPLACED}",
        moment="return",
        serves=(USER,),
        aliases=("ur",),
    ),
    UPROBE_MULTI("uprobe_multi", go_name="UprobeMulti", reach=f"{BREAKPOINT}, BPF link"),
    UPROBE_MULTI(
        "uretprobe_multi",
        go_name="UretprobeMulti",
        find=uprobes.find_steady_stack,
        reach=f"as uprobe_multi {REPLACED}",
        moment="return",
    ),
    UPROBE_MULTI(
        "uprobe_session",
        go_name="UprobeSession",
        find=uprobes.find_steady_stack,
        reach=f"{BREAKPOINT}, BPF link; at entry and at return",
        since="6.13, d920179b3d48",
        expected=TraceAttachType.TRACE_UPROBE_SESSION,
        moment="both",
    ),
    UPROBE(
        "usdt",
        go_name="Usdt",
        reach="a uprobe on the nop that the library's note names",
        workload_kind="usdt",
        kernel_name="uprobe",
    ),
    DEVICE(
        "xdp",
        go_name="Xdp",
        reach="the receiving driver, here veth's, before the packet's buffer is made; BPF link",
        since="5.9, aa8d3a716b59",
        needs="CONFIG_VETH",
        prog_type=ProgType.XDP,
        expected=TraceAttachType.XDP,
        points=network.paired_device,
        open=network.open_xdp,
        workload_kind="veth",
    ),
    DEVICE(
        "xdp_generic",
        go_name="XdpGeneric",
        reach="the device's receive path, after the packet's buffer is made; BPF link",
        since="5.9, aa8d3a716b59",
        prog_type=ProgType.XDP,
        expected=TraceAttachType.XDP,
        open=network.open_xdp_generic,
    ),
    DEVICE(
        "tcx",
        go_name="Tcx",
        reach="the device's receive path, before the protocols; BPF link",
        since="6.6, e420bed02507",
        needs="CONFIG_NET_XGRESS",
        prog_type=ProgType.SCHED_CLS,
        open=network.open_tcx,
        aliases=("tcx/ingress",),
    ),
    DEVICE(
        "tc",
        go_name="Tc",
        reach="the device's receive path, the classifiers of its clsact discipline",
        since="4.5, 1f211a1b929c",
        needs="CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF, CONFIG_VETH",
        prog_type=ProgType.SCHED_CLS,
        points=network.paired_device,
        open=network.open_tc,
        close=network.close_tc,
        aliases=("tc/ingress", "classifier"),
        workload_kind="veth",
    ),
    DEVICE(
        "cgroup_skb",
        go_name="CgroupSkb",
        reach="the socket's cgroup, before the packet goes to the device; BPF link",
        since="5.7, af6eea57437a",
        needs="CONFIG_CGROUP_BPF",
        prog_type=ProgType.CGROUP_SKB,
        expected=TraceAttachType.CGROUP_INET_EGRESS,
        points=network.top_cgroup,
        open=network.open_cgroup,
        aliases=("cgroup_skb/egress",),
        everybodys=True,
    ),
    DEVICE(
        "cgroup_connect",
        go_name="CgroupConnect",
        reach="the socket's cgroup, before the protocol connects it; BPF link",
        since="5.7, af6eea57437a",
        needs="CONFIG_CGROUP_BPF",
        prog_type=ProgType.CGROUP_SOCK_ADDR,
        expected=TraceAttachType.CGROUP_INET4_CONNECT,
        points=network.top_cgroup,
        open=network.open_cgroup,
        aliases=("cgroup/connect4",),
        everybodys=True,
        workload_kind="connect",
    ),
    DEVICE(
        "sock_ops",
        go_name="SockOps",
        reach="the socket's cgroup, as TCP opens and closes a connection; BPF link",
        since="5.7, af6eea57437a",
        needs="CONFIG_CGROUP_BPF",
        prog_type=ProgType.SOCK_OPS,
        expected=TraceAttachType.CGROUP_SOCK_OPS,
        points=network.top_cgroup,
        open=network.open_cgroup,
        aliases=("sockops",),
        everybodys=True,
        workload_kind="tcp",
    ),
    SWITCH_EVENT(
        "tracepoint_switch",
        go_name="SwitchTracepoint",
        points=partial(tracepoints.event, "sched:sched_switch"),
        event="sched:sched_switch",
    ),
    SWITCH_EVENT(
        "tracepoint_wakeup",
        go_name="WakeupTracepoint",
        points=partial(tracepoints.event, "sched:sched_wakeup"),
        event="sched:sched_wakeup",
        workload_kind="wakeup",
    ),
    SWITCH_TYPED(
        "tp_btf_switch",
        go_name="Switch",
        points=partial(tracepoints.event, "sched_switch"),
        event="sched:sched_switch",
    ),
    SWITCH_TYPED(
        "tp_btf_wakeup",
        go_name="Wakeup",
        points=partial(tracepoints.event, "sched_wakeup"),
        event="sched:sched_wakeup",
        workload_kind="wakeup",
    ),
    KPROBE(
        "kprobe_switch",
        go_name="SwitchKprobe",
        group="scheduler",
        reach="as kprobe, on what each task runs first when it is switched to",
        points=partial(kprobes.changed_function, "finish_task_switch"),
        many=many_points.none,
        kernel_name="kprobe",
        event="sched:sched_switch",
        everybodys=True,
        like="(?!)",
        workload_kind="switch",
    ),
    SECURITY_HOOK(
        "lsm_open",
        go_name="LsmOpen",
        points=partial(trampolines.named_hook, "file_open"),
        group="security",
        everybodys=True,
        like="(?!)",
        event="security_file_open",
        workload_kind="open",
    ),
    SECURITY_HOOK(
        "lsm_open_sleepable",
        go_name="LsmOpenSleepable",
        reach="as lsm, by a trampoline whose program may wait (libbpf's lsm.s)",
        since="5.10, 1e6c62a88215",
        flags=SLEEPABLE,
        points=partial(trampolines.named_hook, "file_open"),
        kernel_name="lsm",
        group="security",
        everybodys=True,
        like="(?!)",
        event="security_file_open",
        workload_kind="open",
    ),
    SECURITY_HOOK(
        "lsm_exec",
        go_name="LsmExec",
        points=partial(trampolines.named_hook, "bprm_check_security"),
        group="security",
        everybodys=True,
        like="(?!)",
        event="security_bprm_check",
        workload_kind="exec",
    ),
    SECURITY_HOOK(
        "lsm_connect",
        go_name="LsmConnect",
        points=partial(trampolines.named_hook, "socket_connect"),
        group="security",
        everybodys=True,
        like="(?!)",
        event="security_socket_connect",
        workload_kind="socket",
    ),
    AttachType(
        "perf_event_fault",
        group="samples",
        go_name="PerfEventFault",
        reach="perf's software event of page faults, the handler of its samples",
        since="4.9, 0515e5999a46",
        needs="CONFIG_PERF_EVENTS",
        prog_type=ProgType.PERF_EVENT,
        points=samples.page_faults,
        open=samples.open_samples,
        capability="CAP_SYS_ADMIN",  # where the distribution ties more of perf to it
        everybodys=True,
        workload_kind="fault",
        event="exceptions:page_fault_user",
        like="(?!)",
    ),
)

ATTACH_TYPES = {row.name: row for row in _ROWS}

# What is measured by default: the reference's three attach types and two further forms of
# tracepoint.
STANDARD_ATTACH_TYPES = ("tracepoint", "raw_tracepoint", "tp_btf", "fentry", "kprobe")

# Names for several attach types at once.
GROUPS = {
    "all": tuple(ATTACH_TYPES),
    "standard": STANDARD_ATTACH_TYPES,
    **{
        group: tuple(row.name for row in _ROWS if row.group == group)
        for group in dict.fromkeys(row.group for row in _ROWS)
    },
}

# Roles.  The reference's attach types, its tracepoint first.
REFERENCE = tuple(row.name for row in _ROWS if row.reference)
# By what the tracers count events, cheapest first.
COUNTING = tuple(
    ATTACH_TYPES[name] for name in ("fentry", "raw_tracepoint", "tracepoint", "kprobe", "uprobe")
)
# Every system call: at its beginning and at its end, and through perf.
ALL_CALLS, ALL_CALLS_EXIT = ATTACH_TYPES["raw_tracepoint"], ATTACH_TYPES["raw_tracepoint_exit"]
ALL_CALLS_PERF = ATTACH_TYPES["raw_syscalls"]


def like(kernel_name: str, place: str) -> AttachType | None:
    """Return the attach type whose hooks cost what a hook of somebody else's costs.

    Parameters
    ----------
    kernel_name : str
        What the kernel calls that kind of hook.
    place : str
        What it is on, as the kernel names it.

    Returns
    -------
    AttachType or None
        None where none is measured that is like it.
    """
    fitting = (row for row in _ROWS if kernel_name in (row.name, row.kernel_name))
    return next((row for row in fitting if re.fullmatch(row.like, place)), None)
