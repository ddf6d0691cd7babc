"""Ids of types in the running kernel's BTF, through libbpf.

BCC links libbpf, so where BCC is there libbpf is too.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from functools import cache, lru_cache
from pathlib import Path

from ebpf_overhead.bpf import TraceAttachType
from ebpf_overhead.errors import MissingToolError, UnsupportedError

VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")


@lru_cache(maxsize=1)
def _libbpf() -> ctypes.CDLL:
    for name in ("libbpf.so.1", "libbpf.so.0"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.libbpf_find_vmlinux_btf_id.argtypes = [ctypes.c_char_p, ctypes.c_int]
        library.libbpf_find_vmlinux_btf_id.restype = ctypes.c_int
        library.libbpf_set_print.argtypes = [ctypes.c_void_p]
        library.libbpf_set_print(None)  # the error code says it all
        return library
    raise MissingToolError(
        "libbpf (libbpf.so.1) not found", "install it: apt-get install libbpf1, dnf install libbpf"
    )


@cache
def find_id(name: str, attach: TraceAttachType) -> int | None:
    """Return the BTF id of a hook of the running kernel.

    Parameters
    ----------
    name : str
        Function, or tracepoint for ``TraceAttachType.RAW_TP``.
    attach : TraceAttachType
        Kind of hook, which decides the kind of type looked for.

    Returns
    -------
    int or None
        The id; None when the kernel's BTF has no such type.

    Raises
    ------
    UnsupportedError
        The kernel has no BTF.
    MissingToolError
        libbpf is not installed.
    """
    if not VMLINUX_BTF.exists():
        raise UnsupportedError(
            f"{VMLINUX_BTF} absent: kernel built without BTF",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y",
        )
    found: int = _libbpf().libbpf_find_vmlinux_btf_id(name.encode(), int(attach))
    if found == -2:  # ENOENT
        return None
    if found < 0:
        raise UnsupportedError(f"kernel BTF cannot be read: {os.strerror(-found)}")
    return found
