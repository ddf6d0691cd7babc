"""Global variables of a BPF object: set by their names before it is loaded."""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from ebpf_overhead.bpf.structures import BtfType
from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.programs.libbpf_api import api

# enum of include/uapi/linux/btf.h
_INT, _POINTER, _ARRAY, _ENUM, _TYPEDEF = 1, 2, 3, 6, 8
_VOLATILE, _CONST, _RESTRICT, _VARIABLE, _SECTION = 9, 10, 11, 14, 15
_FLOAT, _TYPE_TAG, _ENUM64 = 16, 18, 19
_NAMES_OF_ANOTHER = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)
_ORDER = sys.byteorder
_TEXT_TRUE, _TEXT_FALSE = ("true", "y", "yes"), ("false", "n", "no")
# What the kernel fills in, or what is no memory.
_NOT_SET = (".kconfig", ".ksyms", ".maps", "license", "version")


class Variable(NamedTuple):
    """A global variable of an object.

    Attributes
    ----------
    section : str
        Where it is: ``.rodata``.
    offset, size : int
        Place and length in the section, in bytes.
    kind : int
        Kind of its type in BTF.
    """

    section: str
    offset: int
    size: int
    kind: int


def set_variable(opened_object: int, name: str, value: str) -> None:
    """Give a variable another value than the source does.

    Raises
    ------
    BadUseError
        There is no such variable, or it cannot have that value.
    """
    known = dict(variables(opened_object))
    if name not in known:
        raise UnknownNameError("variable of the object", name, known)
    place = known[name]
    found = api().bpf_object__find_map_by_name(opened_object, place.section.encode())
    size = ctypes.c_size_t()
    address = found and api().bpf_map__initial_value(found, ctypes.byref(size))
    if not address or place.offset + place.size > size.value:
        raise BadUseError(f"{name} of {place.section} cannot be set")
    ctypes.memmove(address + place.offset, _encoded(name, value, place), place.size)


def variables(opened_object: int) -> Iterator[tuple[str, Variable]]:
    """Yield the variables of an object by name."""
    types = api().bpf_object__btf(opened_object)
    if not types:
        return
    for number in range(1, api().btf__type_cnt(types)):
        found = _type(types, number)
        name = _name(types, found)
        if _kind(found) != _SECTION or name in _NOT_SET:
            continue
        for row in range(found.info & 0xFFFF):  # struct btf_var_secinfo
            place = ctypes.addressof(found) + ctypes.sizeof(BtfType) + 12 * row
            variable, offset, size = struct.unpack("=III", ctypes.string_at(place, 12))
            declared = _type(types, variable)
            yield _name(types, declared), Variable(name, offset, size, _plain(types, declared.size))


def _encoded(name: str, value: str, place: Variable) -> bytes:
    """Return a value as it is in memory."""
    wrong = BadUseError(f"{name}={value} does not fit: it is a {_described(place)}")
    try:
        if place.kind == _ARRAY:
            text = value.encode()
            if len(text) >= place.size:
                raise wrong
            return text.ljust(place.size, b"\0")
        if place.kind == _FLOAT:
            return struct.pack("=f" if place.size == 4 else "=d", float(value))
        number = 1 if value in _TEXT_TRUE else 0 if value in _TEXT_FALSE else int(value, 0)
        if place.kind not in (_INT, _ENUM, _ENUM64):
            raise wrong
        return number.to_bytes(place.size, _ORDER, signed=number < 0)
    except (ValueError, OverflowError, struct.error) as error:
        raise wrong from error


def _described(place: Variable) -> str:
    kinds = {_INT: "number", _ENUM: "number", _ENUM64: "number", _FLOAT: "float", _ARRAY: "text"}
    return f"{kinds.get(place.kind, 'structure or pointer')} of {place.size} bytes"


def _plain(types: int, number: int) -> int:
    """Return the kind of a type, behind all that only names another."""
    for _ in range(32):
        found = _type(types, number)
        if _kind(found) not in _NAMES_OF_ANOTHER:
            return _kind(found)
        number = found.size
    return 0


def _type(types: int, number: int) -> BtfType:
    address = api().btf__type_by_id(types, number)
    if not address:
        raise BadUseError(f"the object's type information has no type {number}")
    return BtfType.from_address(address)


def _kind(found: BtfType) -> int:
    return int(found.info >> 24 & 0x1F)


def _name(types: int, found: BtfType) -> str:
    name = api().btf__name_by_offset(types, found.name_off)
    return name.decode(errors="replace") if name else ""
