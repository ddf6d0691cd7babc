"""Functions handed to helpers: finding them, and describing them to the kernel."""

from __future__ import annotations

import struct

from ebpf_overhead import callbacks

MOVE = bytes.fromhex("b700000000000000")
EXIT = bytes.fromhex("9500000000000000")


def load_64(source: int, value: int) -> bytes:
    return struct.pack("=BBhi", 0x18, source << 4 | 2, 0, value) + bytes(8)


def test_programs_without_callbacks_need_nothing():
    map_load = load_64(1, 7)
    assert callbacks.find(MOVE + map_load + EXIT) == []
    assert callbacks.function_info(MOVE + map_load + EXIT) == b""


def test_callback_is_where_the_load_points():
    code = MOVE + load_64(4, 2) + EXIT + MOVE + EXIT
    assert callbacks.find(code) == [4]
    assert callbacks.function_info(code) == struct.pack("=IIII", 0, 3, 4, 4)


def test_type_information_is_well_formed():
    """Walk it as the kernel does: header, then types, each of the length of its kind."""
    blob = callbacks.type_information()
    magic, version, flags, header, type_off, type_len, str_off, str_len = struct.unpack_from(
        "=HBBIIIII", blob
    )
    assert (magic, version, flags, header, type_off, str_off) == (0xEB9F, 1, 0, 24, 0, type_len)
    strings = blob[header + str_off :]
    assert len(strings) == str_len
    names, position = [], header
    while position < header + type_len:
        name, info, _ = struct.unpack_from("=III", blob, position)
        kind = info >> 24
        names.append((kind, strings[name:].split(b"\0")[0].decode()))
        position += 12 + (4 if kind == 1 else 0)
    assert names == [(1, "int"), (13, ""), (12, "program"), (12, "callback")]
