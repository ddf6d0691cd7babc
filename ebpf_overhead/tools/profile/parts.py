"""The part of a probed call that a stack belongs to: target, dispatch, program or helpers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from ebpf_overhead.hooks.symbols import entry_symbols
from ebpf_overhead.tools.profile.stacks import Stack, Stacks
from ebpf_overhead.workload.workloads import Workload


class Part(Enum):
    """Parts of a probed call, from the outside in; the values are for people."""

    USER = "user space"
    TARGET = "target, in the kernel"
    DISPATCH = "dispatch: reaching the program"
    PROGRAM = "program: its own instructions"
    HELPERS = "program: helpers and maps"


# JIT symbols are bpf_prog_<tag>_<name>; without JIT the interpreter runs the program.
_PROGRAM = re.compile(r"bpf_prog_[0-9a-f]{16}|_+bpf_prog_run\d*$|bpf_prog_run")

# Functions that only lead from a hook to a program, by kind of hook.
_DISPATCH = re.compile(
    "|".join(
        (
            # BPF trampolines: fentry, fexit, fmod_ret, lsm.
            r"bpf_trampoline_|__bpf_prog_(enter|exit)|__bpf_tramp_|bpf_dispatcher_",
            # ftrace, fprobe, rethook and kprobes on them.
            r"ftrace_|arch_ftrace_|__ftrace_|function_graph_|return_to_handler$|fprobe_|"
            r"arch_rethook_|rethook_|__?k(ret)?probe|k(ret)?probe_|aggr_pre_handler|"
            r"opt_pre_handler|optimized_callback|optprobe_|pre_handler_kretprobe|"
            r"trampoline_handler|get_kprobe",
            # Breakpoints, and uprobes by breakpoint or by call.
            r"asm_exc_(int3|debug)|(noist_)?exc_(int3|debug)|do_int3|uprobe_|uretprobe_|"
            r"handle_swbp|handle_trampoline|arch_uprobe_|arch_uretprobe_|__x64_sys_u(ret)?probe|"
            r"el0_brk|el1_brk|do_debug_exception|brk_handler|el0_dbg|el1_dbg",
            # Tracepoints: the slow path of system calls, and the stubs.
            r"syscall_trace_enter|trace_syscall_|syscall_exit_work|trace_sys_|__traceiter_|"
            r"__bpf_trace_|bpf_trace_run|perf_syscall_|perf_call_bpf_|perf_trace_|trace_call_bpf|"
            r"trace_event_",
        )
    )
)


@dataclass(frozen=True)
class Target:
    """The workload that is probed, as stacks show it.

    Attributes
    ----------
    functions : frozenset of str
        The kernel's functions of the workload.  A trampoline that calls the function itself,
        such as that of fexit, has the function below it.
    in_user_space : bool
        Whether the workload is a function of the process.  Then only the hook enters the kernel.
    """

    functions: frozenset[str] = frozenset()
    in_user_space: bool = False


def target_of(workload: Workload, hook: str) -> Target:
    """Return a workload as its stacks show it: its entry in the kernel, and the attach point.

    Parameters
    ----------
    workload : Workload
        What is called.
    hook : str
        What a program is attached to, which may be the function of the workload.
    """
    if workload.syscall is None:
        return Target(in_user_space=True)
    return Target(frozenset({*entry_symbols(workload.syscall), hook.partition("+")[0]}))


def part_of(stack: Stack, target: Target) -> Part:
    """Return the part of a call that a stack belongs to; its outermost frame is the first."""
    part = Part.USER
    for depth, frame in enumerate(stack):
        if not frame.in_kernel:
            continue
        if _PROGRAM.match(frame.name):
            innermost = depth == len(stack) - 1
            return Part.PROGRAM if innermost else _below_program(stack[depth + 1 :])
        if _DISPATCH.match(frame.name):
            part = Part.DISPATCH
        elif frame.name in target.functions:
            part = Part.TARGET
        elif part is Part.USER:
            part = Part.DISPATCH if target.in_user_space else Part.TARGET
    return part


def _below_program(inner: Stack) -> Part:
    # A program that calls another is still a program.
    return Part.PROGRAM if _PROGRAM.match(inner[-1].name) else Part.HELPERS


def program_of(stack: Stack) -> str | None:
    """Return the innermost BPF program of a stack; None outside any program."""
    names = [frame.name for frame in stack if frame.in_kernel and _PROGRAM.match(frame.name)]
    return names[-1] if names else None


def shares(stacks: Stacks, target: Target) -> dict[Part, float]:
    """Return the share of samples in each part, 0..1."""
    samples: Counter[Part] = Counter()
    for stack, count in stacks.items():
        samples[part_of(stack, target)] += count
    return {part: samples[part] / samples.total() for part in Part}
