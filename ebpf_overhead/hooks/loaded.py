"""What the hooks' modules share: a loaded program with its hook, and finding the symbol."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ebpf_overhead import perf
from ebpf_overhead.attach_types import Target
from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.rights import explain

# The name of a system call's entry function carries the architecture's prefix.
_SYSCALL_PREFIXES = {
    "x86_64": "__x64_sys_",
    "aarch64": "__arm64_sys_",
    "riscv64": "__riscv_sys_",
    "s390x": "__s390x_sys_",
}


class Loaded(NamedTuple):
    """A program loaded for a hook.

    Attributes
    ----------
    prog_fd : int
        Descriptor of the loaded program.
    hook : str
        What it is attached to.
    open_hook : callable
        Attaches it and returns the descriptor that keeps it attached.
    """

    prog_fd: int
    hook: str
    open_hook: Callable[[], int]


def first_that_attaches(symbols: Iterator[str], attempt: Callable[[str], Loaded]) -> Loaded:
    """Return the first symbol that the kernel lets a program attach to.

    The kernel's first reason that is not a missing name is the one reported.
    """
    reason: OverheadError | None = None
    for symbol in symbols:
        try:
            loaded = attempt(symbol)
        except OverheadError as error:
            reason = _better_reason(reason, error)
            continue
        try:
            os.close(loaded.open_hook())
            return loaded
        except OSError as error:
            os.close(loaded.prog_fd)
            reason = _better_reason(reason, explain(error, "attach", symbol))
    assert reason is not None  # there is always at least one candidate
    raise reason


def _better_reason(old: OverheadError | None, new: OverheadError) -> OverheadError:
    return new if old is None or "not in the kernel's BTF" in old.what else old


def probe_pmu(kind: str) -> int:
    """Return the number of the PMU ``kprobe`` or ``uprobe``.

    Raises
    ------
    UnsupportedError
        This kernel has none.
    """
    try:
        return perf.pmu_type(kind)
    except OSError as error:
        option = kind.upper()
        raise UnsupportedError(
            f"{kind} events absent ({error.filename} not found): CONFIG_{option}S off",
            f"use a kernel with CONFIG_{option}_EVENTS=y",
        ) from None


def entry_symbols(target: Target) -> Iterator[str]:
    """Yield the names under which a system call's entry may be found, best first.

    Which of them exists, and which is in BTF, differs by kernel and architecture.
    """
    yield f"__do_sys_{target.syscall}"
    prefix = _SYSCALL_PREFIXES.get(platform.machine())
    if prefix:
        yield f"{prefix}{target.syscall}"
    yield f"__se_sys_{target.syscall}"
    yield f"sys_{target.syscall}"
