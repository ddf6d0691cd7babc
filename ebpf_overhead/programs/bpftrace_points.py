"""Where bpftrace would attach a program, told by how it asks the kernel for that."""

from __future__ import annotations

import os
from collections.abc import Callable
from ctypes import c_uint64, sizeof
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.bpf.structures import LinkCreateAttr, PerfEventAttr, RawTracepointAttr
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs.notified_calls import ProcessMemory

# Programs that say themselves what they are attached to.
TRACING = {TraceAttachType.FENTRY: "fentry", TraceAttachType.FEXIT: "fexit"}
_MOST_NAMES = 4096


@dataclass(frozen=True)
class ScriptPoint:
    """Where a program would have been attached.

    Attributes
    ----------
    kind : str
        As bpftrace calls it; empty where no call of a workload could run it.
    names : tuple of str
        Of the functions; a tracepoint's number; the file of user code.  None where only
        addresses are known.
    offset_bytes : int or None
        How far into the file of user code, where there is one place.
    """

    kind: str
    names: tuple[str, ...] = ()
    offset_bytes: int | None = None


def of_event(given: PerfEventAttr, memory: ProcessMemory, executable: Path) -> ScriptPoint | None:
    """Return what a perf event stands for; None for the one by which bpftrace runs ``BEGIN``.

    Parameters
    ----------
    given : PerfEventAttr
        The event.
    memory : ProcessMemory
        Of bpftrace.
    executable : Path
        Its file, in which older versions have a probe of their own.
    """
    if given.type == perf_event.TYPE_TRACEPOINT:
        return ScriptPoint("tracepoint", (str(given.config),))
    at_return = "ret" if given.config & 1 else ""
    if given.type == _number(perf_event.kprobe_pmu):
        name = memory.text(given.config1)
        return ScriptPoint(f"k{at_return}probe", (name,) if name else ())
    if given.type == _number(perf_event.uprobe_pmu):
        path = memory.text(given.config1)
        if path.startswith("/proc/") or os.path.realpath(path) == str(executable):
            return None
        return ScriptPoint(f"u{at_return}probe", (path,), int(given.config2))
    return ScriptPoint("")


def of_raw_tracepoint(given: RawTracepointAttr, memory: ProcessMemory) -> ScriptPoint:
    """Return what ``BPF_RAW_TRACEPOINT_OPEN`` would attach a program to."""
    return ScriptPoint("rawtracepoint", (memory.text(given.name),) if given.name else ())


def of_link(given: LinkCreateAttr, memory: ProcessMemory) -> ScriptPoint:
    """Return what ``BPF_LINK_CREATE`` would attach a program to."""
    if given.attach_type == TraceAttachType.TRACE_KPROBE_MULTI:
        functions = given.kprobe_multi
        return ScriptPoint(
            "kretprobe" if functions.flags & 1 else "kprobe", _names(functions, memory)
        )
    if given.attach_type == TraceAttachType.TRACE_UPROBE_MULTI:
        code = given.uprobe_multi
        return ScriptPoint("uretprobe" if code.flags & 1 else "uprobe", (memory.text(code.path),))
    return ScriptPoint("")


def _names(functions: Any, memory: ProcessMemory) -> tuple[str, ...]:
    if not functions.syms:
        return ()
    count = min(functions.cnt, _MOST_NAMES)
    content = memory.read(functions.syms, count * sizeof(c_uint64))
    return tuple(memory.text(int(each)) for each in (c_uint64 * count).from_buffer_copy(content))


def _number(pmu: Callable[[], int]) -> int | None:
    try:
        return pmu()
    except UnsupportedError:
        return None
