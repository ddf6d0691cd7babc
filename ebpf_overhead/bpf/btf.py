"""Ids of types in the running kernel's BTF, through libbpf."""

from __future__ import annotations

import ctypes
import os
from functools import cache, lru_cache
from pathlib import Path

from ebpf_overhead.bpf import _syscalls, libbpf
from ebpf_overhead.bpf.infos import BpfBtfInfo
from ebpf_overhead.bpf.structures import BtfType, IdAttr
from ebpf_overhead.bpf.syscall import BpfCommand, TraceAttachType, call, object_info
from ebpf_overhead.errors import MissingToolError, UnsupportedError

VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")

# libbpf 0.5 and newer.
_TYPE_FUNCTIONS = {
    "btf__load_vmlinux_btf": [],
    "btf__load_from_kernel_by_id_split": [ctypes.c_uint32, ctypes.c_void_p],
    "btf__type_by_id": [ctypes.c_void_p, ctypes.c_uint32],
    "btf__name_by_offset": [ctypes.c_void_p, ctypes.c_uint32],
    "btf__find_by_name_kind": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32],
}
# The names of hooks in BTF, and the kinds of their types (``include/uapi/linux/btf.h``).
_KIND_TYPEDEF, _KIND_FUNC = 8, 12
_PREFIXES = {
    TraceAttachType.RAW_TP: ("btf_trace_", _KIND_TYPEDEF),
    TraceAttachType.LSM_MAC: ("bpf_lsm_", _KIND_FUNC),
}
_ERRORS_FROM = 2**64 - 4096


@lru_cache(maxsize=1)
def _libbpf() -> ctypes.CDLL:
    library = libbpf.library()
    library.libbpf_find_vmlinux_btf_id.argtypes = [ctypes.c_char_p, ctypes.c_int]
    library.libbpf_find_vmlinux_btf_id.restype = ctypes.c_int
    return library


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
    found = _find(name, attach)
    if found == -2:  # ENOENT
        return None
    if found < 0:
        raise UnsupportedError(f"kernel BTF cannot be read: {os.strerror(-found)}")
    return found


def _find(name: str, attach: TraceAttachType) -> int:
    """Return an id, or a negative errno, as libbpf_find_vmlinux_btf_id does.

    That function parses the whole BTF each time, which takes 37 ms.  A look-up takes 1 ms.
    """
    try:
        library, types = _libbpf_of_types(), _vmlinux_types()
    except AttributeError:
        types = None
    if types is None:
        found: int = _libbpf().libbpf_find_vmlinux_btf_id(name.encode(), int(attach))
        return found
    prefix, kind = _PREFIXES.get(attach, ("", _KIND_FUNC))
    found = library.btf__find_by_name_kind(types, f"{prefix}{name}".encode(), kind)
    return found


@cache
def _vmlinux_types() -> int | None:
    """Return the kernel's own BTF; None where libbpf does not load it."""
    types: int | None = _libbpf_of_types().btf__load_vmlinux_btf()
    # Before 1.0 libbpf returns a negative errno as an address.
    return None if types is None or types > _ERRORS_FROM else types


@cache
def type_name(object_id: int, type_id: int) -> str | None:
    """Return the name of a type in the BTF of the kernel, a module or a program.

    Parameters
    ----------
    object_id : int
        Id of the BTF.
    type_id : int
        Id of the type in it.

    Returns
    -------
    str or None
        None where there is no such BTF or type, or libbpf is absent or too old.
    """
    try:
        library, types = _libbpf_of_types(), _types(object_id)
    except (MissingToolError, AttributeError):  # there is none, or an older one
        return None
    found = library.btf__type_by_id(types, type_id) if types else None
    if not found:
        return None
    name = library.btf__name_by_offset(types, BtfType.from_address(found).name_off)
    return name.decode() if name else None


def _libbpf_of_types() -> ctypes.CDLL:
    library = _libbpf()
    for function, arguments in _TYPE_FUNCTIONS.items():
        getattr(library, function).argtypes = arguments
        getattr(library, function).restype = ctypes.c_void_p
    library.btf__name_by_offset.restype = ctypes.c_char_p
    library.btf__find_by_name_kind.restype = ctypes.c_int
    return library


@cache
def _types(object_id: int) -> int | None:
    name = _object_name(object_id)
    if name is None:
        return None
    kernel = _vmlinux_types()
    if name == "vmlinux":
        return kernel
    base = kernel if name else None  # a program's has no name, and no base
    found: int | None = _libbpf_of_types().btf__load_from_kernel_by_id_split(object_id, base)
    return found


def _object_name(object_id: int) -> str | None:
    """Return ``vmlinux``, the name of a module, or nothing for a program's BTF."""
    try:
        fd = call(BpfCommand.BTF_GET_FD_BY_ID, IdAttr(object_id))
    except OSError:
        return None
    name = ctypes.create_string_buffer(64)
    try:
        object_info(fd, BpfBtfInfo(name=_syscalls.address(name), name_len=len(name)))
    except OSError:
        return None
    finally:
        os.close(fd)
    return name.value.decode()
