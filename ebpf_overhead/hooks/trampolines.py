"""BPF trampolines: hooks that are chosen when the program is loaded, by a BTF id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ebpf_overhead.bpf import btf, links, pseudofs, syscall
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import Workload

# Attaches a program to many functions at once.
_LINKS_MANY = "bpf_tracing_multi_attach"


def security_functions(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the function that asks the workload's security hook.

    The kernel lets fmod_ret at security hooks and at functions open to error injection.
    System calls are among the latter, but distributions switch error injection off.
    """
    yield AttachPoint(f"security_{workload.security_hook}")


def security_hooks(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the function that stands for the workload's security hook in BTF."""
    yield AttachPoint(f"bpf_lsm_{workload.security_hook}")


def named_hook(name: str, workload: Workload) -> Iterator[AttachPoint]:
    """Yield the same for a security hook of that name."""
    yield AttachPoint(f"bpf_lsm_{name}")


def find_function(point: AttachPoint) -> int:
    """Return the BTF id of a function.

    Raises
    ------
    UnsupportedError
        The kernel has no BTF, or not of that function.
    """
    btf_id = btf.find_id(point.name, TraceAttachType.FENTRY)
    if btf_id is None:
        raise UnsupportedError(f"{point} not in the kernel's BTF")
    return btf_id


def find_security_hook(point: AttachPoint) -> int:
    """Return the BTF id of a security hook.

    Raises
    ------
    UnsupportedError
        BPF is none of the kernel's active security modules: the program would be attached
        and never run.
    """
    active = _active_security_modules()
    if active is not None and "bpf" not in active:
        raise UnsupportedError(
            f"bpf is none of the active security modules ({', '.join(active) or 'none'})",
            "boot with lsm=...,bpf on the kernel's command line",
        )
    return find_function(point)


def _active_security_modules() -> list[str] | None:
    try:
        text = pseudofs.read_text("securityfs", "lsm")
    except OSError:
        return None
    return [name for name in text.strip().split(",") if name]


def find_any_function(point: AttachPoint) -> int:
    """Return 0, after finding that a function is in BTF: its link names it.

    Raises
    ------
    UnsupportedError
        The kernel has no BTF, or not of that function; or it has no such links.  Kernels without
        them say of the program only that it lacks a BTF id.
    """
    if btf.find_id(_LINKS_MANY, TraceAttachType.FENTRY) is None:
        raise UnsupportedError(
            f"{_LINKS_MANY} not in the kernel's BTF: no link for many trampolines",
            "use Linux 7.2 or later",
        )
    find_function(point)
    return 0


def open_link(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program by a link to a function's entry, its return, or both."""
    return open_links(program, [point], at_return)


def open_links(program: LoadedProgram, points: Sequence[AttachPoint], at_return: bool) -> int:
    """Attach a program by one link to several functions."""
    btf_ids = [find_function(point) for point in points]
    return links.tracing_multi(program.fd, program.loaded_as.attach, btf_ids)


def open_loaded_for(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to the point that it was loaded for."""
    return syscall.raw_tracepoint_open(program.fd, None)
