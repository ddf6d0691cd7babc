"""BPF trampolines: hooks that are chosen when the program is loaded, by a BTF id."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from ebpf_overhead import bpf, btf, pseudofs
from ebpf_overhead.bpf import ProgType, TraceAttachType
from ebpf_overhead.cases import Case, Target
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.loaded import Loaded, entry_symbols, first_that_attaches
from ebpf_overhead.programs import CompiledProgram

_KINDS = {
    "fentry": TraceAttachType.FENTRY,
    "fexit": TraceAttachType.FEXIT,
    "fmod_ret": TraceAttachType.MODIFY_RETURN,
}


def load_tracing(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for fentry, fexit or fmod_ret."""
    kind = _KINDS[case.attach.name]

    def attempt(symbol: str) -> Loaded:
        return _load(case, compiled, ProgType.TRACING, kind, symbol)

    return first_that_attaches(_symbols(case.target), attempt)


def _symbols(target: Target) -> Iterator[str]:
    # The kernel lets fmod_ret at security hooks and at functions open to error injection.
    # System calls are among the latter, but distributions switch error injection off.
    if target.security_hook:
        return iter([f"security_{target.security_hook}"])
    return entry_symbols(target)


def load_lsm(case: Case, compiled: CompiledProgram) -> Loaded:
    """Load for a security hook.

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
    # libbpf finds bpf_lsm_NAME under NAME.
    loaded = _load(
        case, compiled, ProgType.LSM, TraceAttachType.LSM_MAC, str(case.target.security_hook)
    )
    return loaded._replace(hook=case.attach.hook)


def _active_security_modules() -> list[str] | None:
    try:
        text = pseudofs.read_text("securityfs", "lsm")
    except OSError:
        return None
    return [name for name in text.strip().split(",") if name]


def _load(
    case: Case,
    compiled: CompiledProgram,
    prog_type: ProgType,
    kind: TraceAttachType,
    symbol: str,
) -> Loaded:
    btf_id = btf.find_id(symbol, kind)
    if btf_id is None:
        raise UnsupportedError(f"{symbol} not in the kernel's BTF")

    def load_program() -> int:
        return compiled.load(prog_type, case.attach.name, kind, btf_id)

    prog_fd = load_program()
    return Loaded(prog_fd, symbol, lambda: _attach(prog_fd, load_program))


def _attach(prog_fd: int, load_program: Callable[[], int]) -> int:
    """Attach a tracing program to the function it was loaded for.

    Before Linux 5.13 ("bpf: Allow trampoline re-attach for tracing and lsm programs") that
    works once in a program's life and is ENOENT from then on.  There the program is
    loaded anew, under the descriptor it has.
    """
    try:
        return bpf.raw_tracepoint_open(prog_fd, None)
    except FileNotFoundError:
        fresh_fd = load_program()
        os.dup2(fresh_fd, prog_fd, inheritable=False)
        os.close(fresh_fd)
        return bpf.raw_tracepoint_open(prog_fd, None)
