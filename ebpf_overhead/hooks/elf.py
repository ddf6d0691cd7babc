"""The little of ELF that a uprobe depends on: whose code it is, and where a function ends."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from functools import cache
from typing import BinaryIO, NamedTuple

# ``e_machine`` of the kinds of code that are known here.
I386, X86_64, AARCH64 = 3, 62, 183
_LARGEST_TABLE_BYTES = 1 << 26
# What ``go version FILE`` looks for where there are no section headers (debug/buildinfo).
_GO_MAGIC = b"\xff Go buildinf:"
_DYNAMIC, _VERSIONS = 11, 0x6FFFFFFF  # SHT_DYNSYM, SHT_GNU_versym
_SYMBOL_TABLES = (2, _DYNAMIC)  # SHT_SYMTAB
_OLD_VERSION = 0x8000  # VERSYM_HIDDEN: programs that are linked now get another one
_FUNCTION, _CHOSEN = 2, 10  # STT_FUNC, STT_GNU_IFUNC

# By the class of the file: where the header says what the sections are; a section's name, type,
# address, offset, size and the section with its strings, and a symbol's name, type, section, value
# and size.
_HEADER = {1: "<32xI10xHHH", 2: "<40xQ10xHHH"}
_SECTION = {1: "<II4xIIII12x", 2: "<II8xQQQI20x"}
_SYMBOL = {1: "<IIIBxH", 2: "<IBxHQQ"}


class _CodeSection(NamedTuple):
    name: int
    kind: int
    address: int
    offset: int
    size_bytes: int
    strings: int


class _CodeSymbol(NamedTuple):
    name: int
    kind: int
    section: int
    value: int
    size_bytes: int


@cache
def machine(path: str) -> int | None:
    """Return the machine that a file's code is for (``e_machine``); None if it is no ELF file."""
    with open(path, "rb") as stream:
        start = stream.read(20)
    is_elf = len(start) == 20 and start[:4] == b"\x7fELF" and start[5] == 1
    return int(struct.unpack_from("<H", start, 18)[0]) if is_elf else None


@cache
def has_go_code(path: str) -> bool:
    """Whether Go's compiler made code in a file, whose stacks move.

    A file that is no ELF file has none.  One without section headers is searched for what Go's
    linker puts into every program.
    """
    if machine(path) is None:
        return False
    with open(path, "rb") as stream:
        try:
            names = list(_section_names(stream))
        except (ValueError, struct.error):
            return _contains(stream, _GO_MAGIC)
    return any(name.endswith((b".gopclntab", b".go.buildinfo")) for name in names)


def function_bytes(path: str, offset_bytes: int) -> bytes | None:
    """Return the code of the function that begins at an offset in a file.

    Returns
    -------
    bytes or None
        None where no symbol says where it ends.
    """
    with open(path, "rb") as stream:
        try:
            size_bytes = _size_at(stream, offset_bytes)
        except (ValueError, struct.error):
            return None
        return _at(stream, offset_bytes, size_bytes) if size_bytes else None


def chooses(path: str, offset_bytes: int) -> bool:
    """Whether what begins at an offset in a file is no function, but chooses one (IFUNC).

    The dynamic linker asks it once, and has calls go to the function that it names.
    """
    with open(path, "rb") as stream:
        try:
            return any(each.kind == _CHOSEN for each in _symbols_at(stream, offset_bytes))
        except (ValueError, struct.error):
            return False


def current_version(path: str, name: str) -> int | None:
    """Return where in a library the function is that programs get which are linked now.

    A library may have several of one name, of which all but one are kept for programs that are old.

    Returns
    -------
    int or None
        Its offset in the file; None where there is no choice, or it cannot be told.
    """
    with open(path, "rb") as stream:
        try:
            found = set(_versions(stream, name.encode()))
        except (IndexError, ValueError, struct.error):
            return None
    current = {offset for offset, is_old in found if not is_old}
    return current.pop() if len(found) > 1 and len(current) == 1 else None


def _versions(stream: BinaryIO, name: bytes) -> Iterator[tuple[int, bool]]:
    """Yield where each function of a name is, and whether it is an old one."""
    sections, _, class_ = _sections(stream)
    tables = {each.kind: each for each in sections}
    if not {_DYNAMIC, _VERSIONS} <= tables.keys():
        return
    table, versions = tables[_DYNAMIC], tables[_VERSIONS]
    strings = sections[table.strings]
    names = _at(stream, strings.offset, strings.size_bytes)
    numbers = struct.iter_unpack("<H", _at(stream, versions.offset, versions.size_bytes))
    symbols = _symbols(_at(stream, table.offset, table.size_bytes), class_)
    for symbol, (number,) in zip(symbols, numbers, strict=False):
        offset = _offset(symbol, sections)
        if offset is not None and names.startswith(name + b"\0", symbol.name):
            yield offset, bool(number & _OLD_VERSION)


def _size_at(stream: BinaryIO, offset_bytes: int) -> int:
    found = _symbols_at(stream, offset_bytes)
    return next((each.size_bytes for each in found if each.kind == _FUNCTION), 0)


def _symbols_at(stream: BinaryIO, offset_bytes: int) -> Iterator[_CodeSymbol]:
    sections, _, class_ = _sections(stream)
    for table in sections:
        if table.kind not in _SYMBOL_TABLES:
            continue
        for symbol in _symbols(_at(stream, table.offset, table.size_bytes), class_):
            if _offset(symbol, sections) == offset_bytes:
                yield symbol


def _offset(symbol: _CodeSymbol, sections: list[_CodeSection]) -> int | None:
    """Return where in the file a symbol is; None where it is of another file."""
    if not 0 < symbol.section < len(sections):
        return None
    section = sections[symbol.section]
    return symbol.value - section.address + section.offset


def _symbols(table: bytes, class_: int) -> Iterator[_CodeSymbol]:
    for fields in struct.iter_unpack(_SYMBOL[class_], table):
        name, *rest = fields
        kind, section, value, size_bytes = rest if class_ == 2 else (*rest[2:], *rest[:2])
        yield _CodeSymbol(name, kind & 15, section, value, size_bytes)


def _section_names(stream: BinaryIO) -> Iterator[bytes]:
    sections, names_at, _ = _sections(stream)
    names = _at(stream, sections[names_at].offset, sections[names_at].size_bytes)
    for section in sections:
        yield names[section.name :].partition(b"\0")[0]


def _sections(stream: BinaryIO) -> tuple[list[_CodeSection], int, int]:
    """Return the sections, the number of the one with their names, and the class of the file."""
    stream.seek(0)
    header = stream.read(64)
    class_ = header[4] if header[4] in _HEADER else 2
    start, entry_bytes, count, names_at = struct.unpack_from(_HEADER[class_], header)
    form = struct.Struct(_SECTION[class_])
    if not start or names_at >= count or entry_bytes != form.size:
        raise ValueError("no section headers")
    table = _at(stream, start, entry_bytes * count)
    return [_CodeSection(*fields) for fields in form.iter_unpack(table)], names_at, class_


def _at(stream: BinaryIO, offset: int, size_bytes: int) -> bytes:
    if size_bytes > _LARGEST_TABLE_BYTES:
        raise ValueError("a table that is too large")
    stream.seek(offset)
    return stream.read(size_bytes)


def _contains(stream: BinaryIO, text: bytes) -> bool:
    with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as content:
        return content.find(text) >= 0
