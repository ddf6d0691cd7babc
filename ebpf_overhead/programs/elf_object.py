"""What is in a BPF object file: its programs, and where in a larger file it is.

The executables of libbpf's skeletons and of Go's and Rust's loaders have their object inside.
This reader trusts nothing that a file says: whoever wrote it may be somebody else.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.printable import printable
from ebpf_overhead.reading import read_bytes
from ebpf_overhead.trust import refuse_foreign

# Executables have tens of megabytes, objects some hundred kilobytes.
_LARGEST_FILE_BYTES, _LARGEST_OBJECT_BYTES = 512 << 20, 64 << 20
_MOST_SYMBOLS = 1 << 20

_ORDER = "<" if sys.byteorder == "little" else ">"
# Of a 64-bit file in this machine's byte order (ELFCLASS64, ELFDATA2LSB or ELFDATA2MSB).
_MAGIC = b"\x7fELF\x02" + (b"\x01" if sys.byteorder == "little" else b"\x02") + b"\x01"
_RELOCATABLE, _MACHINE_BPF = 1, 247  # ET_REL, EM_BPF
_HEADER = struct.Struct(f"{_ORDER}16sHHIQQQIHHHHHH")
_SECTION = struct.Struct(f"{_ORDER}IIQQQQIIQQ")
_SYMBOL = struct.Struct(f"{_ORDER}IBBHQQ")
_SYMBOL_TABLE, _NO_BITS, _EXECUTABLE, _FUNCTION = 2, 8, 4, 2


class ObjectFunction(NamedTuple):
    """A program of an object file.

    Attributes
    ----------
    name : str
        Name of the function.
    section : str
        Name of its section, which says where it is attached: ``tp_btf/sys_enter``.
    """

    name: str
    section: str

    @property
    def is_loaded(self) -> bool:
        """Whether libbpf loads it without being told to."""
        return not self.section.startswith("?")


class _Section(NamedTuple):
    name: bytes
    kind: int
    flags: int
    offset: int
    size: int
    link: int


class _ElfSymbol(NamedTuple):
    name: bytes
    is_function: bool
    section: int  # 0 where it is not defined in the object
    value: int


def object_in(path: Path) -> bytes:
    """Return the BPF object that a file is, or that is embedded in it.

    Raises
    ------
    BadUseError
        The file cannot be read, another user could have written it, or it holds no such object
        or several.
    """
    refuse_foreign(path)
    status = path.stat()
    return _object_in(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _object_in(path: Path, _size: int, _mtime_ns: int) -> bytes:
    content = read_bytes(path, limit_bytes=_LARGEST_FILE_BYTES, error=BadUseError)
    found = list(dict.fromkeys(_objects(content)))
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadUseError(f"{path} holds no BPF object: {_what_it_is(content)}", _REMEDY)
    programs = "; ".join(", ".join(each.name for each in functions(data)) for data in found)
    raise BadUseError(
        f"{path} holds {len(found)} BPF objects, with the programs {programs}",
        "name a file that holds one",
    )


_REMEDY = "name an object built by clang -target bpf, or a program that has one inside"


def functions(content: bytes) -> list[ObjectFunction]:
    """Return the programs of an object, in its order.

    Functions in ``.text`` are called by them and are no programs.
    """
    try:
        sections = _sections(content)
        places = [
            (each.section, each.value, each.name)
            for each in _symbols(content, sections)
            if each.is_function
            and sections[each.section].flags & _EXECUTABLE
            and sections[each.section].name != b".text"
        ]
    except (IndexError, OverflowError, struct.error, ValueError) as error:
        raise BadUseError(f"the BPF object is damaged: {error}", _REMEDY) from error
    return [
        ObjectFunction(_text(name), _text(sections[index].name))
        for index, _, name in sorted(places)
    ]


def asked_of_configuration(content: bytes) -> frozenset[str]:
    """Return the variables of the kernel's configuration that an object's programs look at."""
    try:
        symbols = [each.name for each in _symbols(content, _sections(content)) if not each.section]
    except (IndexError, OverflowError, struct.error, ValueError):
        return frozenset()  # what is wrong with it is said when its programs are looked for
    return frozenset(_text(name) for name in symbols if name.startswith(b"CONFIG_"))


def _objects(content: bytes) -> Iterator[bytes]:
    """Yield each BPF object in a file."""
    start = content.find(_MAGIC)
    while start >= 0:
        try:
            kind, machine = _header(content, start)[1:3]
            if (kind, machine) == (_RELOCATABLE, _MACHINE_BPF):
                yield content[start : start + _length(content, start)]
        except (OverflowError, struct.error, ValueError):
            pass  # the magic number by chance, or the rest of a file
        start = content.find(_MAGIC, start + 1)


def _header(content: bytes, start: int = 0) -> tuple[int, ...]:
    fields: tuple[int, ...] = _HEADER.unpack_from(content, start)
    if fields[11] != _SECTION.size:
        raise ValueError(f"section headers of {fields[11]} bytes")
    return fields


def _length(content: bytes, start: int) -> int:
    """Return how long the object is that begins there."""
    fields = _header(content, start)
    table, count = fields[6], fields[12]
    end = table + count * _SECTION.size
    for index in range(count):
        _, kind, _, _, offset, size, *_ = _SECTION.unpack_from(
            content, start + table + index * _SECTION.size
        )
        if kind != _NO_BITS:
            end = max(end, offset + size)
    if not count or start + end > len(content) or end > _LARGEST_OBJECT_BYTES:
        raise ValueError("it ends before its sections do")
    return end


def _sections(content: bytes) -> list[_Section]:
    fields = _header(content)
    table, count, names = fields[6], fields[12], fields[13]
    rows = [_SECTION.unpack_from(content, table + index * _SECTION.size) for index in range(count)]
    strings = _bytes_of(content, rows[names][4], rows[names][5])
    return [
        _Section(_string(strings, name), kind, flags, offset, size, link)
        for name, kind, flags, _, offset, size, link, *_ in rows
    ]


def _symbols(content: bytes, sections: list[_Section]) -> Iterator[_ElfSymbol]:
    """Yield the symbols whose section is one of these."""
    for table in sections:
        if table.kind != _SYMBOL_TABLE:
            continue
        symbols = _bytes_of(content, table.offset, table.size)
        strings = _bytes_of(content, sections[table.link].offset, sections[table.link].size)
        for number in range(min(len(symbols) // _SYMBOL.size, _MOST_SYMBOLS)):
            name, info, _, section, value, _ = _SYMBOL.unpack_from(symbols, number * _SYMBOL.size)
            if section < len(sections):
                yield _ElfSymbol(_string(strings, name), info & 15 == _FUNCTION, section, value)


def _bytes_of(content: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(content):
        raise ValueError("it ends before its sections do")
    return content[offset : offset + size]


def _string(strings: bytes, start: int) -> bytes:
    end = strings.index(b"\0", start)
    return strings[start:end]


def _text(name: bytes) -> str:
    return printable(name.decode(errors="replace"))


def _what_it_is(content: bytes) -> str:
    if not content.startswith(b"\x7fELF"):
        return "it is no ELF file"
    if not content.startswith(_MAGIC):
        return f"it is not a 64-bit ELF file in this machine's byte order ({sys.byteorder}-endian)"
    machine = struct.unpack_from(f"{_ORDER}H", content, 18)[0] if len(content) >= 20 else 0
    if machine == _MACHINE_BPF:
        return "it is damaged"
    return f"it is for machine {machine}, not {_MACHINE_BPF} (EM_BPF), and has none inside"
