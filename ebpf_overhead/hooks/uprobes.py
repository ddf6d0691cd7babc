"""uprobes on functions of this process: perf events, and links to several places.

All of them are limited to this process, as a tool's ``-p PID`` does it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

from ebpf_overhead import _workload, links, perf
from ebpf_overhead.bpf import ProgType, TraceAttachType
from ebpf_overhead.cases import Case, Target
from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks.loaded import Loaded, probe_pmu
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.rights import explain

# What is in the file where the uprobe goes, by machine.
INSTRUCTIONS = {
    "nop": {"x86_64": "90", "aarch64": "1f2003d5"},
    "nop5": {"x86_64": "0f1f440000"},
    "nop10": {"x86_64": "662e0f1f840000000000"},
    "push": {"x86_64": "55", "aarch64": "fd7bbfa9"},  # push %rbp; stp x29, x30, [sp, #-16]!
    "ret": {"x86_64": "c3", "aarch64": "c0035fd6"},
}


def load_uprobe(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a perf event at a function's entry or return, or at a USDT probe's nop."""
    path, hook, offset_bytes = place(case.target)
    at_return = case.attach.name == "uretprobe"
    pmu = probe_pmu("uprobe")
    prog_fd = compiled.load(ProgType.KPROBE, case.attach.name)
    return _tried(
        Loaded(
            prog_fd,
            hook,
            lambda: perf.attach(perf.uprobe(pmu, path, offset_bytes, at_return), prog_fd),
        ),
        case,
    )


def load_uprobe_multi(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a link to a function's entry, its return, or both."""
    path, hook, offset_bytes = place(case.target)
    session = case.attach.name == "uprobe_session"
    kind = TraceAttachType.TRACE_UPROBE_SESSION if session else TraceAttachType.TRACE_UPROBE_MULTI
    at_return = case.attach.name == "uretprobe_multi"
    prog_fd = compiled.load(ProgType.KPROBE, case.attach.name, kind)

    def open_hook() -> int:
        return links.uprobe_multi(prog_fd, kind, path, offset_bytes, os.getpid(), at_return)

    return _tried(Loaded(prog_fd, hook, open_hook), case)


def _tried(loaded: Loaded, case: Case) -> Loaded:
    """Attach once, so that what the kernel cannot do is known when the program is loaded."""
    try:
        os.close(loaded.open_hook())
    except OSError as error:
        os.close(loaded.prog_fd)
        raise explain(error, "attach", case.attach.name) from error
    return loaded


def place(
    target: Target, locate: Callable[[str], tuple[str, str, int]] = _workload.target_symbol
) -> tuple[str, str, int]:
    """Return where a uprobe on a target goes, having looked at the instruction there.

    Parameters
    ----------
    target : Target
        A function of the extension.
    locate : callable
        Says where it is.

    Returns
    -------
    path : str
        The extension's file.
    symbol : str
        Name of the place.
    offset_bytes : int
        Where it is in the file.

    Raises
    ------
    UnsupportedError
        This machine's extension has no such target.
    FailedError
        It begins with another instruction, which would have another cost.
    """
    machine = platform.machine()
    expected = INSTRUCTIONS[target.begins_with or ""].get(machine)
    if target.name not in _workload.TARGETS:
        raise UnsupportedError(f"no target {target.name} on {machine}: it is written in assembly")
    path, symbol, offset_bytes = locate(target.name)
    if expected is not None:
        with Path(path).open("rb") as library:
            library.seek(offset_bytes)
            found = library.read(len(expected) // 2).hex()
        if found != expected:
            raise FailedError(
                f"{symbol} begins with {found}, not with {expected} ({target.begins_with})",
                "build the extension anew: pip install -e .",
            )
    return path, symbol, offset_bytes
