"""kprobes: perf events at entry, inside and at return, and links through fprobe."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ebpf_overhead import bpf, links, perf, pseudofs
from ebpf_overhead.bpf import ProgType, TraceAttachType
from ebpf_overhead.cases import Case
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.loaded import (
    Loaded,
    entry_symbols,
    first_that_attaches,
    probe_pmu,
)
from ebpf_overhead.programs import CompiledProgram

# How far into the function to look for an instruction: getpid is some 30 bytes long.
_OFFSETS = range(1, 65)


def load_kprobe(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a kprobe at the function's entry."""
    return _load_perf(case, compiled, lambda pmu, symbol: perf.kprobe(pmu, symbol))


def load_kretprobe(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a kretprobe."""
    return _load_perf(case, compiled, lambda pmu, symbol: perf.kprobe(pmu, symbol, at_return=True))


def _load_perf(
    case: Case, compiled: CompiledProgram, open_event: Callable[[int, str], int]
) -> Loaded:
    pmu = probe_pmu("kprobe")

    def attempt(symbol: str) -> Loaded:
        prog_fd = compiled.load(ProgType.KPROBE, case.attach.name)
        return Loaded(prog_fd, symbol, lambda: perf.attach(open_event(pmu, symbol), prog_fd))

    return first_that_attaches(entry_symbols(case.target), attempt)


def load_kprobe_offset(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a kprobe inside the function that is reached by a breakpoint, and stays so.

    At entry a kprobe uses ftrace's nop, and some instructions' breakpoints are replaced by a
    jump after a few timer ticks; the kernel says so in debugfs, and such are passed over.
    """
    pmu = probe_pmu("kprobe")
    symbol = _entry_symbol(case, compiled)
    offset = _breakpoint_offset(pmu, symbol)
    prog_fd = compiled.load(ProgType.KPROBE, case.attach.name)
    return Loaded(
        prog_fd,
        f"{symbol}+{offset:#x}",
        lambda: perf.attach(perf.kprobe(pmu, symbol, offset), prog_fd),
    )


def _entry_symbol(case: Case, compiled: CompiledProgram) -> str:
    """Return the name that a kprobe on the target's entry finds."""
    loaded = load_kprobe(case, compiled)
    os.close(loaded.prog_fd)
    return loaded.hook


def _breakpoint_offset(pmu: int, symbol: str) -> int:
    seen = []
    for offset in _OFFSETS:
        try:
            event_fd = perf.kprobe(pmu, symbol, offset)
        except OSError as error:
            # EILSEQ or EINVAL: within an instruction, or behind the function's end.
            if error.errno in (errno.EILSEQ, errno.EINVAL):
                continue
            raise UnsupportedError(f"{symbol}+{offset:#x} refused: {error}") from error
        try:
            perf.enable(event_fd)
            marks = _marks(symbol, offset)
        finally:
            os.close(event_fd)
        if not marks:
            return offset
        seen.append(f"+{offset:#x} {marks}")
    raise UnsupportedError(
        f"no instruction of {symbol} takes a kprobe by a breakpoint: {', '.join(seen) or 'none'}"
    )


def _marks(symbol: str, offset: int) -> str:
    """Return how the kernel marks a kprobe that is on: ``[FTRACE]``, ``[OPTIMIZED]``, nothing.

    Lines of debugfs ``kprobes/list`` are like ``ffffffff810e46d4  k  getpid+0x4    [FTRACE]``.
    """
    try:
        lines = pseudofs.read_text("debugfs", "kprobes/list").splitlines()
    except OSError as error:
        raise UnsupportedError(
            f"what a kprobe inside {symbol} becomes cannot be told: debugfs kprobes/list: {error}"
        ) from error
    place = f"{symbol}+{offset:#x}"
    for line in lines:
        fields = line.split()
        if place in fields:
            return " ".join(field for field in fields if field.startswith("["))
    raise UnsupportedError(f"kprobe {place} not in debugfs kprobes/list")


def load_kprobe_multi(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a link to the function's entry, its return, or both."""
    session = case.attach.name == "kprobe_session"
    kind = TraceAttachType.TRACE_KPROBE_SESSION if session else TraceAttachType.TRACE_KPROBE_MULTI
    at_return = case.attach.name == "kretprobe_multi"

    def attempt(symbol: str) -> Loaded:
        prog_fd = compiled.load(bpf.ProgType.KPROBE, case.attach.name, kind)
        return Loaded(prog_fd, symbol, lambda: links.kprobe_multi(prog_fd, kind, symbol, at_return))

    return first_that_attaches(entry_symbols(case.target), attempt)
