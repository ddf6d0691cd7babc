"""What the rows of a kind of attach type have in common, to be completed by each row."""

from __future__ import annotations

from functools import partial

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.hooks import kprobes, many_points, network, tracepoints, trampolines, uprobes
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, USER, AttachType

# How calls get to the programs of several rows.
TRAMPOLINE = "BPF trampoline in place of the function's ftrace nop: direct call"
FPROBE = "ftrace trampoline of the function's nop, fprobe, BPF link"
BREAKPOINT = "int3 in the process (some kernels: a call in place of a long nop), handler chain"
# BPF_F_SLEEPABLE of include/uapi/linux/bpf.h.
SLEEPABLE = 1 << 4
REPLACED = "at entry, which replaces the return address by a trampoline's"

# Each kind has the release and the commit that brought it.
PERF_EVENT = partial(
    AttachType,
    group="tracepoints",
    reach="perf's handler of the tracepoint makes a record, then the program",
    since="4.7, 98b5c2c65c29",
    needs="CONFIG_FTRACE_SYSCALLS",
    prog_type=ProgType.TRACEPOINT,
    find=tracepoints.find_event,
    record_bytes=tracepoints.record_bytes,
    many=many_points.events,
    open=tracepoints.open_event,
    gone_first=True,
    serves=(SYSCALL,),
    tried=False,
)
RAW = partial(
    AttachType,
    group="tracepoints",
    reach="call from the tracepoint through a stub, arguments as an array",
    since="4.17, c4f6699dfcb8",
    needs="CONFIG_HAVE_SYSCALL_TRACEPOINTS",
    prog_type=ProgType.RAW_TRACEPOINT,
    record_bytes=tracepoints.arguments_bytes,
    many=many_points.tracepoints,
    open=tracepoints.open_raw,
    serves=(SYSCALL,),
    system_wide=True,
    tried=False,
)
TYPED = partial(
    AttachType,
    group="tracepoints",
    reach="call from the tracepoint through a stub, typed arguments",
    since="5.5, 9e15db66136a",
    needs="CONFIG_DEBUG_INFO_BTF",
    prog_type=ProgType.TRACING,
    expected=TraceAttachType.RAW_TP,
    find=tracepoints.find_typed,
    many=many_points.tracepoints,
    open=trampolines.open_loaded_for,
    serves=(SYSCALL,),
    system_wide=True,
    tried=False,
)
TRACING = partial(
    AttachType,
    group="trampolines",
    since="5.5, fec56f5890d9",
    needs="CONFIG_DEBUG_INFO_BTF, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    prog_type=ProgType.TRACING,
    points=kprobes.functions,
    find=trampolines.find_function,
    many=many_points.functions,
    open=trampolines.open_loaded_for,
    serves=(FUNCTION, SYSCALL),
)
TRACING_MULTI = partial(
    TRACING,
    since="7.2, c1d32dea5d46",
    needs="CONFIG_DEBUG_INFO_BTF, CONFIG_HAVE_SINGLE_FTRACE_DIRECT_OPS",
    find=trampolines.find_any_function,
    open_many=trampolines.open_links,
    open=trampolines.open_link,
)
SECURITY = partial(
    AttachType, group="trampolines", open=trampolines.open_loaded_for, workload_kind="security"
)
SECURITY_HOOK = partial(
    SECURITY,
    reach="the kernel's call of its security modules, BPF trampoline: direct call",
    since="5.7, 9e4e01dfd325",
    needs="CONFIG_BPF_LSM, and bpf among the active security modules",
    prog_type=ProgType.LSM,
    expected=TraceAttachType.LSM_MAC,
    find=trampolines.find_security_hook,
)
KPROBE = partial(
    AttachType,
    group="kprobes",
    since="4.17, e12f03d7031a",
    needs="CONFIG_KPROBE_EVENTS",
    prog_type=ProgType.KPROBE,
    points=kprobes.functions,
    find=kprobes.find_event,
    capability=kprobes.CAPABILITY,
    many=many_points.functions,
    open=kprobes.open_event,
    among_kprobes=True,
)
KPROBE_MULTI = partial(
    AttachType,
    group="kprobes",
    since="5.18, 0dcac2725406",
    needs="CONFIG_FPROBE",
    prog_type=ProgType.KPROBE,
    expected=TraceAttachType.TRACE_KPROBE_MULTI,
    points=kprobes.functions,
    many=many_points.functions,
    open_many=kprobes.open_links,
    open=kprobes.open_link,
    serves=(FUNCTION, SYSCALL),
)
UPROBE = partial(
    AttachType,
    group="uprobes",
    since="4.17, 33ea4b24277b",
    needs="CONFIG_UPROBE_EVENTS",
    prog_type=ProgType.KPROBE,
    points=uprobes.own_function,
    find=uprobes.find_event,
    capability="CAP_SYS_ADMIN",
    many=many_points.places,
    open=uprobes.open_event,
    workload_kind="function",
)
UPROBE_MULTI = partial(
    AttachType,
    group="uprobes",
    since="6.6, 89ae89f53d20",
    needs="CONFIG_UPROBES",
    prog_type=ProgType.KPROBE,
    expected=TraceAttachType.TRACE_UPROBE_MULTI,
    points=uprobes.own_function,
    many=many_points.places,
    open_many=uprobes.open_links,
    open=uprobes.open_link,
    workload_kind="function",
    serves=(USER,),
)
DEVICE = partial(
    AttachType,
    group="network",
    needs="CONFIG_NET",
    points=network.device,
    capability="CAP_NET_ADMIN",
    workload_kind="packet",
    like="(?!)",  # hooks of others are on other devices: none costs what these do
)

# Events of the scheduler, which tasks of everybody pass.
SWITCH_EVENT = partial(
    PERF_EVENT,
    group="scheduler",
    many=many_points.none,
    serves=(),
    everybodys=True,
    workload_kind="switch",
    like="(?!)",
)
SWITCH_TYPED = partial(
    TYPED,
    group="scheduler",
    many=many_points.none,
    serves=(),
    system_wide=False,
    everybodys=True,
    workload_kind="switch",
    like="(?!)",
)
