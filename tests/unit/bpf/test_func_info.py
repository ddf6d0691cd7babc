"""Functions that are passed to helpers: finding them, and describing them to the kernel."""

from __future__ import annotations

import sys
from ctypes import sizeof

from ebpf_overhead.bpf import func_info
from ebpf_overhead.bpf.structures import BpfInsn, BtfHeader, BtfType

MOVE = bytes.fromhex("b700000000000000")
EXIT = bytes.fromhex("9500000000000000")


def load_64(source: int, value: int) -> bytes:
    return bytes(BpfInsn(0x18, dst_reg=2, src_reg=source, imm=value)) + bytes(8)


def test_programs_without_callbacks_need_no_type_information():
    map_load = load_64(1, 7)
    assert func_info.find(MOVE + map_load + EXIT) == []
    assert func_info.function_info(MOVE + map_load + EXIT) == b""


def test_callback_begins_where_the_load_points():
    code = MOVE + load_64(4, 2) + EXIT + MOVE + EXIT
    assert func_info.find(code) == [4]
    assert func_info.function_info(code) == b"".join(
        number.to_bytes(4, sys.byteorder) for number in (0, 3, 4, 4)
    )


def test_type_information_is_well_formed():
    """Walk it as the kernel does: header, then types, each of the length of its kind."""
    blob = func_info.type_information()
    header = BtfHeader.from_buffer_copy(blob)
    assert (header.magic, header.version, header.flags, header.hdr_len) == (0xEB9F, 1, 0, 24)
    assert (header.type_off, header.str_off) == (0, header.type_len)
    strings = blob[header.hdr_len + header.str_off :]
    assert len(strings) == header.str_len
    names, position = [], header.hdr_len
    while position < header.hdr_len + header.type_len:
        each = BtfType.from_buffer_copy(blob, position)
        kind = each.info >> 24
        names.append((kind, strings[each.name_off :].split(b"\0")[0].decode()))
        position += sizeof(BtfType) + (4 if kind == 1 else 0)
    assert names == [(1, "int"), (13, ""), (12, "program"), (12, "callback")]
