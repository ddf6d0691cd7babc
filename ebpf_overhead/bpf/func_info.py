"""Type information for functions that a program passes to a helper.

The kernel requires it (``check_ld_imm`` of ``kernel/bpf/verifier.c``: "missing btf
func_info"), and BCC makes none.  So this module makes the minimum that the kernel accepts.
"""

from __future__ import annotations

from ctypes import c_uint32, sizeof

from ebpf_overhead.bpf.structures import (
    LOAD_64,
    PSEUDO_FUNC,
    BpfFuncInfo,
    BtfHeader,
    BtfType,
    instructions,
)

_MAGIC, _VERSION = 0xEB9F, 1
_KIND_INT, _KIND_FUNC, _KIND_FUNC_PROTO = 1, 12, 13
_STATIC = 0  # linkage: the kernel requires static callbacks
_SIGNED_32 = 1 << 24 | 32

_STRINGS = b"\0int\0program\0callback\0"
_INT_ID, _PROTO_ID, _PROGRAM_ID, _CALLBACK_ID = 1, 2, 3, 4


def find(code: bytes) -> list[int]:
    """Return the first instruction of each function whose address a program loads."""
    found = {
        index + each.imm + 1
        for index, each in enumerate(instructions(code))
        if (each.code, each.src_reg) == (LOAD_64, PSEUDO_FUNC)
    }
    return sorted(found)


def type_information() -> bytes:
    """Return BTF that describes a program and a callback, both ``int (void)``."""

    def name(text: bytes) -> int:
        return _STRINGS.index(b"\0" + text + b"\0") + 1

    types = bytes(BtfType(name(b"int"), _KIND_INT << 24, 4)) + bytes(c_uint32(_SIGNED_32))
    types += bytes(BtfType(0, _KIND_FUNC_PROTO << 24, _INT_ID))
    for function in (b"program", b"callback"):
        types += bytes(BtfType(name(function), _KIND_FUNC << 24 | _STATIC, _PROTO_ID))
    header = BtfHeader(
        magic=_MAGIC,
        version=_VERSION,
        hdr_len=sizeof(BtfHeader),
        type_len=len(types),
        str_off=len(types),
        str_len=len(_STRINGS),
    )
    return bytes(header) + types + _STRINGS


def function_info(code: bytes) -> bytes:
    """Return ``struct bpf_func_info`` of a program and its callbacks; empty without callbacks."""
    starts = find(code)
    rows = [(0, _PROGRAM_ID), *((start, _CALLBACK_ID) for start in starts)]
    return b"".join(bytes(BpfFuncInfo(*row)) for row in rows) if starts else b""
