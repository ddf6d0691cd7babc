"""Hooks of any kind on anything: a program of a tracer -> loaded and attached.

As in :mod:`ebpf_overhead.attach` a hook is held by file descriptors only, so that the
kernel drops it on whatever way out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ebpf_overhead import bpf, btf, perf
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.hooks.loaded import probe_pmu
from ebpf_overhead.hooks.tracepoints import tracepoint_id
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.rights import explain
from ebpf_overhead.tracers.symbols import user_offset
from ebpf_overhead.verifier import rejection


@dataclass(frozen=True)
class Point:
    """A place to hook a program to.

    Attributes
    ----------
    attach : str
        Attach type, one of :data:`ATTACH_TYPES`.
    name : str
        Function, ``category:event``, raw tracepoint, or ``path:symbol``.
    """

    attach: str
    name: str

    def __str__(self) -> str:
        return f"{self.attach}:{self.name}"


@dataclass
class Hook(Closing):
    """An attached program; a context manager that detaches and unloads.

    Attributes
    ----------
    point : Point
        Where it is attached.
    prog_fd : int
        Descriptor of the program.
    """

    point: Point
    prog_fd: int
    _hook_fd: int

    def missed(self) -> int | None:
        """Return how many runs the kernel left out; None where it does not tell."""
        return bpf.prog_info(self.prog_fd).recursion_misses

    def close(self) -> None:
        """Detach and unload."""
        for fd in (self._hook_fd, self.prog_fd):
            if fd >= 0:
                os.close(fd)
        self._hook_fd = self.prog_fd = -1


def attach(compiled: CompiledProgram, function: str, point: Point) -> Hook:
    """Load a function of a compiled tracer and attach it.

    Parameters
    ----------
    compiled : CompiledProgram
        The tracer with its maps.
    function : str
        Which of its functions.
    point : Point
        Where to attach it.

    Returns
    -------
    Hook
        Attached.

    Raises
    ------
    UnsupportedError
        This kernel does not have the hook.
    RefusedError
        Rights are missing.
    """
    code = compiled.module.dump_func(function.encode())
    return attach_code(code, function, point)


def attach_code(code: bytes, name: str, point: Point) -> Hook:
    """Load bytecode, attach it, and return the hook; see :func:`attach`."""
    prog_fd = _load(code, name, point)
    try:
        hook_fd = _OPENERS[point.attach](prog_fd, point.name)
    except OSError as error:
        os.close(prog_fd)
        raise explain(error, "attach", str(point)) from error
    except OverheadError:
        os.close(prog_fd)
        raise
    return Hook(point, prog_fd, hook_fd)


def _load(code: bytes, name: str, point: Point) -> int:
    try:
        if point.attach not in _TRACING:
            return bpf.prog_load(code, _PROG_TYPES[point.attach], name=name)
        lookup, attach_type = _TRACING[point.attach]
        btf_id = btf.find_id(point.name, lookup)
        if btf_id is None:
            raise UnsupportedError(f"{point.name} is not in the kernel's BTF")
        return bpf.prog_load(code, bpf.ProgType.TRACING, attach_type, btf_id, name)
    except bpf.VerifierRejection as error:
        raise rejection(error, name, str(point), error.log) from error


_PROG_TYPES = {
    "kprobe": bpf.ProgType.KPROBE,
    "kretprobe": bpf.ProgType.KPROBE,
    "uprobe": bpf.ProgType.KPROBE,
    "uretprobe": bpf.ProgType.KPROBE,
    "tracepoint": bpf.ProgType.TRACEPOINT,
    "raw_tracepoint": bpf.ProgType.RAW_TRACEPOINT,
}

# Attach type -> (what kind of BTF type to look for, kind of hook).
_TRACING = {
    "tp_btf": (bpf.TraceAttachType.RAW_TP, bpf.TraceAttachType.RAW_TP),
    "fentry": (bpf.TraceAttachType.FENTRY, bpf.TraceAttachType.FENTRY),
    "fexit": (bpf.TraceAttachType.FENTRY, bpf.TraceAttachType.FEXIT),
}


def _open_kprobe(prog_fd: int, name: str, returns: bool = False) -> int:
    return perf.attach(perf.kprobe(probe_pmu("kprobe"), name, at_return=returns), prog_fd)


def _open_uprobe(prog_fd: int, name: str, returns: bool = False) -> int:
    path, offset = user_offset(name)
    pmu = probe_pmu("uprobe")
    return perf.attach(perf.uprobe(pmu, path, offset, returns, everyone=True), prog_fd)


def _open_tracepoint(prog_fd: int, name: str) -> int:
    return perf.attach(perf.tracepoint(tracepoint_id(name)), prog_fd)


_OPENERS: dict[str, Callable[[int, str], int]] = {
    "fentry": lambda prog_fd, name: bpf.raw_tracepoint_open(prog_fd, None),
    "fexit": lambda prog_fd, name: bpf.raw_tracepoint_open(prog_fd, None),
    "tp_btf": lambda prog_fd, name: bpf.raw_tracepoint_open(prog_fd, None),
    "raw_tracepoint": bpf.raw_tracepoint_open,
    "kprobe": _open_kprobe,
    "kretprobe": lambda prog_fd, name: _open_kprobe(prog_fd, name, returns=True),
    "uprobe": _open_uprobe,
    "uretprobe": lambda prog_fd, name: _open_uprobe(prog_fd, name, returns=True),
    "tracepoint": _open_tracepoint,
}

ATTACH_TYPES = tuple(_OPENERS)
