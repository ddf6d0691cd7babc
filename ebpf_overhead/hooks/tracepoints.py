"""Tracepoints: through perf, raw, and with BTF types."""

from __future__ import annotations

from ebpf_overhead import bpf, btf, perf, pseudofs
from ebpf_overhead.cases import Case
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.hooks.loaded import Loaded
from ebpf_overhead.programs import CompiledProgram


def load_tracepoint(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a tracepoint of one system call."""
    moment = "exit" if case.attach.name == "tracepoint_exit" else "enter"
    return _load_perf(case, compiled, f"syscalls:sys_{moment}_{case.target.syscall}")


def load_raw_syscalls(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for perf's tracepoint of all system calls."""
    return _load_perf(case, compiled, case.attach.hook)


def _load_perf(case: Case, compiled: CompiledProgram, event: str) -> Loaded:
    event_id = tracepoint_id(event)
    prog_fd = compiled.load(bpf.ProgType.TRACEPOINT, case.attach.name)
    return Loaded(prog_fd, event, lambda: perf.attach(perf.tracepoint(event_id), prog_fd))


def load_raw_tracepoint(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a raw tracepoint."""
    hook = case.attach.hook
    prog_fd = compiled.load(bpf.ProgType.RAW_TRACEPOINT, case.attach.name)
    return Loaded(prog_fd, hook, lambda: bpf.raw_tracepoint_open(prog_fd, hook))


def load_tp_btf(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a tracepoint with typed arguments."""
    hook = case.attach.hook
    btf_id = btf.find_id(hook, bpf.TraceAttachType.RAW_TP)
    if btf_id is None:
        raise UnsupportedError(f"tracepoint {hook} not in the kernel's BTF")
    prog_fd = compiled.load(
        bpf.ProgType.TRACING, case.attach.name, bpf.TraceAttachType.RAW_TP, btf_id
    )
    return Loaded(prog_fd, hook, lambda: bpf.raw_tracepoint_open(prog_fd, None))


def tracepoint_id(event: str) -> int:
    """Return the number by which perf knows a tracepoint, given as ``subsystem:name``.

    Raises
    ------
    RefusedError
        tracefs cannot be read.
    UnsupportedError
        The kernel has no such tracepoint.
    """
    path = f"events/{event.replace(':', '/')}/id"
    try:
        return int(pseudofs.read_text("tracefs", path))
    except PermissionError as error:
        raise RefusedError(
            f"tracefs cannot be read: {error}", "run as root or grant CAP_SYS_ADMIN"
        ) from error
    except OSError as error:
        of_calls = event.startswith(("syscalls:", "raw_syscalls:"))
        raise UnsupportedError(
            f"no tracepoint {event} in this kernel",
            "use a kernel with CONFIG_FTRACE_SYSCALLS=y" if of_calls else "",
        ) from error
