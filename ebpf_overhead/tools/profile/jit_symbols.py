"""Names of compiled BPF programs and trampolines in /proc/kallsyms, while they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebpf_overhead.closing import Afterwards
from ebpf_overhead.errors import RefusedError

_SYSCTLS = Path("/proc/sys/net/core")


@contextmanager
def visible(sysctls: Path = _SYSCTLS) -> Iterator[bool]:
    """Switch on net.core.bpf_jit_kallsyms while the block runs, and restore it afterwards.

    It is also restored when this process is killed.

    Parameters
    ----------
    sysctls : Path, optional
        Directory of the settings.

    Yields
    ------
    bool
        Whether it was off before.

    Raises
    ------
    RefusedError
        It is off and may not be changed, or hardening hides the names even so
        (``bpf_jit_kallsyms_enabled`` in ``include/linux/filter.h``).
    """
    switch = sysctls / "bpf_jit_kallsyms"
    before = _read(switch)
    hardening = _read(sysctls / "bpf_jit_harden")
    if hardening not in (None, "0"):
        raise RefusedError(
            f"JIT symbols are hidden: net.core.bpf_jit_harden is {hardening}",
            "sysctl net.core.bpf_jit_harden=0 while you profile",
        )
    if before in (None, "1"):  # no such setting: the kernel has no JIT
        yield False
        return
    with Afterwards('echo "$2" > "$1"', str(switch), before or "0"):
        _write(switch, "1")
        yield True


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RefusedError(
            f"net.core.{path.name} cannot be read: {error.strerror}", "run as root"
        ) from error


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise RefusedError(
            f"JIT symbols cannot be switched on: {error.strerror} for net.core.{path.name}",
            f"run as root, or first: sysctl net.core.{path.name}=1",
        ) from error
