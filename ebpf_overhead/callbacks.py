"""Functions that a program hands to a helper, which the kernel takes only with type information.

BCC makes none for functions, so this makes the least that the kernel accepts
(``check_ld_imm`` of ``kernel/bpf/verifier.c``: "missing btf func_info").
"""

from __future__ import annotations

import struct

FUNCTION_BYTES = 8
_LOAD_64, _PSEUDO_FUNC = 0x18, 4

_MAGIC, _VERSION, _HEADER_BYTES = 0xEB9F, 1, 24
_KIND_INT, _KIND_FUNC, _KIND_FUNC_PROTO = 1, 12, 13
_STATIC = 0  # linkage: the kernel wants callbacks to be static
_SIGNED_32 = 1 << 24 | 32

_STRINGS = b"\0int\0program\0callback\0"
_INT_ID, _PROTO_ID, _PROGRAM_ID, _CALLBACK_ID = 1, 2, 3, 4


def find(code: bytes) -> list[int]:
    """Return where the functions begin whose addresses a program loads, in instructions."""
    found = set()
    for index in range(len(code) // 8):
        opcode, registers, _, distance = struct.unpack_from("=BBhi", code, index * 8)
        if opcode == _LOAD_64 and registers >> 4 == _PSEUDO_FUNC:
            found.add(index + distance + 1)
    return sorted(found)


def type_information() -> bytes:
    """Return BTF that describes a program and a callback, both ``int (void)``."""

    def name(text: bytes) -> int:
        return _STRINGS.index(b"\0" + text + b"\0") + 1

    types = struct.pack("=IIII", name(b"int"), _KIND_INT << 24, 4, _SIGNED_32)
    types += struct.pack("=III", 0, _KIND_FUNC_PROTO << 24, _INT_ID)
    for function in (b"program", b"callback"):
        types += struct.pack("=III", name(function), _KIND_FUNC << 24 | _STATIC, _PROTO_ID)
    header = struct.pack(
        "=HBBIIIII", _MAGIC, _VERSION, 0, _HEADER_BYTES, 0, len(types), len(types), len(_STRINGS)
    )
    return header + types + _STRINGS


def function_info(code: bytes) -> bytes:
    """Return ``struct bpf_func_info`` of a program and its callbacks; nothing if it has none."""
    starts = find(code)
    rows = [(0, _PROGRAM_ID), *((start, _CALLBACK_ID) for start in starts)]
    return b"".join(struct.pack("=II", *row) for row in rows) if starts else b""
