"""The catalogue's targets and attach types: what is called, and how a program is hooked to it.

Nothing here touches the kernel; what a kernel cannot do is found out by trying, in
:mod:`ebpf_overhead.attach`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An operation that is timed.

    Attributes
    ----------
    name : str
        Name in results and for :func:`ebpf_overhead._workload.run`.
    syscall : str or None
        Name of the system call in tracefs, without the ``sys_enter_``.  Hooks of one system
        call go to this one.  None for a function of this process, which nobody else calls.
    second_syscall : str or None
        The one that a call makes after it, where it makes two.
    kind : str
        What attach types it is for: ``syscall``, ``security`` (a system call that security
        modules are asked about), ``function`` or ``usdt``.
    begins_with : str or None
        First instruction of such a function, a key of
        :data:`ebpf_overhead.hooks.uprobes.INSTRUCTIONS`.
    security_hook : str or None
        Name of the security hook that the kernel asks during the call.
    """

    name: str
    syscall: str | None
    second_syscall: str | None = None
    kind: str = "syscall"
    begins_with: str | None = None
    security_hook: str | None = None


@dataclass(frozen=True)
class AttachType:
    """A way to hook a BPF program to a target.

    Attributes
    ----------
    name : str
        The kernel's (libbpf's) own name, with an ending where that serves several hooks.
    group : str
        Which attach types it belongs to; a choice for ``--attach``.
    hook : str
        What the program is attached to with the first target.
    reach : str
        How the call gets to the program.
    go_name : str
        Its name in ``BenchmarkGetpid…`` lines.
    targets : str
        Kind of target that it is for.
    system_wide : bool
        Whether the hook runs the program for every system call of every process, not
        only for the target.
    at_exit : bool
        Whether a system-wide hook runs it at the end of the system call.
    runs_per_call : int
        How often the program runs for a call.
    reference : bool
        Whether it is one of the reference benchmark's three.
    """

    name: str
    group: str
    hook: str
    reach: str
    go_name: str
    targets: str = "syscall"
    system_wide: bool = False
    at_exit: bool = False
    runs_per_call: int = 1
    reference: bool = False


GETPID = Target("getpid", syscall="getpid")

# System calls from cheap to dear, then what only some attach types are for.
TARGETS = {
    target.name: target
    for target in (
        GETPID,
        Target("read", syscall="read"),
        Target("openat_close", syscall="openat", second_syscall="close"),
        Target("sendto", syscall="sendto"),
        Target("getpgid", "getpgid", kind="security", security_hook="task_getpgid"),
        Target("function", None, kind="function", begins_with="nop"),
        Target("function_nop5", None, kind="function", begins_with="nop5"),
        Target("function_nop10", None, kind="function", begins_with="nop10"),
        Target("function_push", None, kind="function", begins_with="push"),
        Target("function_ret", None, kind="function", begins_with="ret"),
        Target("usdt", None, kind="usdt", begins_with="nop"),
    )
}

# Of each kind, what is called unless something else is asked for.
STANDARD_TARGETS = (
    "getpid",
    "getpgid",
    *(target.name for target in TARGETS.values() if target.syscall is None),
)

_ENTER, _EXIT = "syscalls:sys_enter_getpid", "syscalls:sys_exit_getpid"
_RECORD = "perf's handler of the tracepoint makes a record, then the program"
_RAW = "call from the tracepoint through a stub, arguments as an array"
_BTF = "call from the tracepoint through a stub, typed arguments"
_TRAMPOLINE = "BPF trampoline in place of the function's ftrace nop: direct call"
_FTRACE = "ftrace trampoline of the function's nop, kprobe handler, perf's list of programs"
_FPROBE = "ftrace trampoline of the function's nop, fprobe, BPF link"
_UPROBE = "int3 in the process (some kernels: a call in place of a long nop), handler chain"

ATTACH_TYPES = {
    attach.name: attach
    for attach in (
        AttachType("tracepoint", "tracepoints", _ENTER, _RECORD, "SyscallTracepoint"),
        AttachType("tracepoint_exit", "tracepoints", _EXIT, _RECORD, "SyscallExitTracepoint"),
        AttachType(
            "raw_syscalls",
            "tracepoints",
            "raw_syscalls:sys_enter",
            _RECORD,
            "RawSyscallsTracepoint",
            system_wide=True,
        ),
        AttachType(
            "raw_tracepoint", "tracepoints", "sys_enter", _RAW, "RawTracepoint", system_wide=True
        ),
        AttachType(
            "raw_tracepoint_exit",
            "tracepoints",
            "sys_exit",
            _RAW,
            "RawExitTracepoint",
            system_wide=True,
            at_exit=True,
        ),
        # The reference benchmark calls this one "tracepoint".
        AttachType(
            "tp_btf",
            "tracepoints",
            "sys_enter",
            _BTF,
            "Tracepoint",
            system_wide=True,
            reference=True,
        ),
        AttachType(
            "tp_btf_exit",
            "tracepoints",
            "sys_exit",
            _BTF,
            "ExitTracepoint",
            system_wide=True,
            at_exit=True,
        ),
        AttachType(
            "fentry", "trampolines", "__do_sys_getpid", _TRAMPOLINE, "Fentry", reference=True
        ),
        AttachType(
            "fexit",
            "trampolines",
            "__do_sys_getpid",
            f"{_TRAMPOLINE}; it calls the function, then the program",
            "Fexit",
        ),
        AttachType(
            "fmod_ret",
            "trampolines",
            "security_task_getpgid",
            f"{_TRAMPOLINE}; then the function, unless the program says no",
            "FmodRet",
            targets="security",
        ),
        AttachType(
            "lsm",
            "trampolines",
            "bpf_lsm_task_getpgid",
            "the kernel's call of its security modules, BPF trampoline: direct call",
            "Lsm",
            targets="security",
        ),
        AttachType("kprobe", "kprobes", "__do_sys_getpid", _FTRACE, "Kprobe", reference=True),
        AttachType(
            "kprobe_offset",
            "kprobes",
            "__do_sys_getpid+offset",
            "int3 (arm64: brk) inside the function, kprobe handler, perf's list of programs",
            "KprobeOffset",
        ),
        AttachType(
            "kretprobe",
            "kprobes",
            "__do_sys_getpid",
            "as kprobe at entry, which replaces the return address by a trampoline's",
            "Kretprobe",
        ),
        AttachType("kprobe_multi", "kprobes", "__do_sys_getpid", _FPROBE, "KprobeMulti"),
        AttachType(
            "kretprobe_multi",
            "kprobes",
            "__do_sys_getpid",
            f"{_FPROBE}; at return through a replaced return address",
            "KretprobeMulti",
        ),
        AttachType(
            "kprobe_session",
            "kprobes",
            "__do_sys_getpid",
            f"{_FPROBE}; at entry and at return",
            "KprobeSession",
            runs_per_call=2,
        ),
        AttachType(
            "uprobe",
            "uprobes",
            "ebpf_overhead_target",
            f"{_UPROBE}, perf's list of programs",
            "Uprobe",
            targets="function",
        ),
        AttachType(
            "uretprobe",
            "uprobes",
            "ebpf_overhead_target",
            "as uprobe at entry, which replaces the return address by a trampoline's",
            "Uretprobe",
            targets="function",
        ),
        AttachType(
            "uprobe_multi",
            "uprobes",
            "ebpf_overhead_target",
            f"{_UPROBE}, BPF link",
            "UprobeMulti",
            targets="function",
        ),
        AttachType(
            "uretprobe_multi",
            "uprobes",
            "ebpf_overhead_target",
            "as uprobe_multi at entry, which replaces the return address by a trampoline's",
            "UretprobeMulti",
            targets="function",
        ),
        AttachType(
            "uprobe_session",
            "uprobes",
            "ebpf_overhead_target",
            f"{_UPROBE}, BPF link; at entry and at return",
            "UprobeSession",
            targets="function",
            runs_per_call=2,
        ),
        AttachType(
            "usdt",
            "uprobes",
            "ebpf_overhead:target",
            "a uprobe on the nop that the library's note names",
            "Usdt",
            targets="usdt",
        ),
    )
}

# What is measured unless something else is asked for: the reference's three attach types
# and two further forms of tracepoint.
STANDARD_ATTACH_TYPES = ("tracepoint", "raw_tracepoint", "tp_btf", "fentry", "kprobe")

# Names for several attach types at once.
GROUPS = {
    "all": tuple(ATTACH_TYPES),
    "standard": STANDARD_ATTACH_TYPES,
    **{
        group: tuple(name for name, each in ATTACH_TYPES.items() if each.group == group)
        for group in dict.fromkeys(each.group for each in ATTACH_TYPES.values())
    },
}
