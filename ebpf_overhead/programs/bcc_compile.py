"""The back end that makes a program object of C source, with BCC.

BCC compiles in a process of its own (:mod:`ebpf_overhead.programs.bcc_child`), which is bounded
in time and memory and cannot reach bpf(2): compiling needs no privileges and attaches nothing.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from ctypes import Array, sizeof
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ebpf_overhead.architectures import Architecture, is_here
from ebpf_overhead.bpf.maps import MapType, possible_cpus
from ebpf_overhead.bpf.structures import (
    LOAD_64,
    PSEUDO_MAP_FD,
    BpfInsn,
    MapCreateAttr,
    instructions,
)
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.phases import phase
from ebpf_overhead.programs import bcc, bcc_child, compile_failures, store
from ebpf_overhead.programs.bcc_text import LONGEST_SOURCE_BYTES, needs_formats
from ebpf_overhead.programs.compile_failures import NotCompiledError
from ebpf_overhead.programs.kernel_headers import Headers, installed_headers, own_headers
from ebpf_overhead.programs.program_object import (
    FORMAT,
    Constant,
    Function,
    MapDefinition,
    ProgramObject,
    Reference,
)
from ebpf_overhead.reading import read_bytes

# Several times what the largest shipped program takes in an emulated guest.
_CPU_S, _PATIENCE_S, _MEMORY_BYTES = 60, 300, 4 << 30
# What is compiled in place of a constant: numbers that occur nowhere else.
_STAND_IN = 0x7A12E700


@dataclass(frozen=True)
class Source:
    """What is compiled.

    Attributes
    ----------
    path : Path
        C source; headers beside it are found by ``#include "…"``.
    macros : tuple of str
        ``NAME=value`` for the preprocessor.
    constants : tuple of Constant
        Macros whose numbers are given when the program is loaded.
    """

    path: Path
    macros: tuple[str, ...] = ()
    constants: tuple[Constant, ...] = ()

    def flags(self) -> list[str]:
        """Return the options for the compiler."""
        stand_ins = (
            f"{each.name}={number:#x}ULL" if each.bits == 64 else f"{each.name}={number}"
            for each, number in self.stand_ins()
        )
        defined = (f"-D{each}" for each in (*self.macros, *stand_ins))
        page = f"-DPAGE_SIZE={mmap.PAGESIZE}"
        return ["-Wno-macro-redefined", f"-I{self.path.resolve().parent}", page, *defined]

    def stand_ins(self) -> Iterator[tuple[Constant, int]]:
        """Yield each constant with the number that is compiled in its place."""
        for index, constant in enumerate(self.constants):
            number = _STAND_IN + index
            yield constant, number << 32 | number if constant.bits == 64 else number


def compile_source(
    source: Source, release: str = "", architecture: Architecture | None = None
) -> ProgramObject:
    """Return the program object of a source: the stored one, or compiled now.

    Parameters
    ----------
    source : Source
        What is compiled.
    release : str
        The kernel that it is for, if it is not the one that runs: its headers are used.
    architecture : Architecture, optional
        What it is for, if it is not this machine's.

    Raises
    ------
    BadUseError
        The source cannot be read, or ``BCC_KERNEL_SOURCE`` holds no headers.
    FailedError
        It does not compile: the compiler's first error with file and line.
    MissingToolError
        BCC is not installed.
    RefusedError
        Another user could have written the headers in ``BCC_KERNEL_SOURCE``.
    UnsupportedError
        BCC does not work here.
    """
    text = _text_of(source.path)
    own = own_headers(architecture)
    found = _stored(source, text, own)
    if found is None:
        with suppress(BadUseError):  # they may not be needed
            found = _stored(source, text, installed_headers(release, architecture))
    if found is not None:
        return found
    try:
        return _compiled(source, text, own, release)
    except NotCompiledError as error:
        installed = installed_headers(release, architecture) if error.needs_headers else None
        if installed is None:
            raise
        return _compiled(source, text, installed, release)


def _stored(source: Source, text: bytes, headers: Headers | None) -> ProgramObject | None:
    return None if headers is None else store.find(_key(source, text, headers))


def _compiled(source: Source, text: bytes, headers: Headers, release: str) -> ProgramObject:
    key = _key(source, text, headers)
    with compile_failures.known(key, source.path), phase("compile"):
        made = _compile(source, headers.types + text, headers, release)
        found = _object_of(source, headers.directory, made)
    store.keep(key, found)
    return found


def uses_formats(source: Source) -> bool:
    """Whether a source is compiled with the formats of events, which differ between kernels."""
    return needs_formats(_text_of(source.path))


def _text_of(path: Path) -> bytes:
    source = read_bytes(path, limit_bytes=LONGEST_SOURCE_BYTES, error=BadUseError)
    named = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'#line 1 "{named}"\n'.encode() + source


def _key(source: Source, text: bytes, headers: Headers) -> str:
    """Return what a stored object is found by; what else it was made of, it says itself."""
    parts = [str(FORMAT), bcc.compiler(), str(headers.directory), headers.architecture.name]
    parts += [*source.flags(), *headers.flags(), headers.types.decode("latin-1")]
    parts.append(_helpers())
    if needs_formats(text):
        parts.append(os.uname().release)
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + text).hexdigest()[:32]


@cache
def _helpers() -> str:
    # Once: all files are slow in a guest.
    return bcc_child.HELPERS.read_text(encoding="utf-8")


def _compile(source: Source, text: bytes, headers: Headers, release: str) -> dict[str, Any]:
    """Have a child compile, and return what it says of the program."""
    request = {
        "library": str(bcc.library_path()),
        "text": text.decode("latin-1"),
        "flags": [*source.flags(), *headers.flags()],
        "formats": needs_formats(text),
        "cpu_s": _CPU_S,
        "memory_bytes": _MEMORY_BYTES,
    }
    # The compiler reads variables and searches the current directory: neither is the user's.
    environment = {"BCC_KERNEL_SOURCE": str(headers.directory)}
    if not is_here(headers.architecture.name):
        environment["ARCH"] = headers.architecture.kernel
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", bcc_child.__file__],
            input=json.dumps(request).encode(),
            capture_output=True,
            cwd=headers.directory,
            env=environment,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotCompiledError(f"{source.path.name} not compiled within {_PATIENCE_S} s") from None
    if done.returncode == -signal.SIGXCPU:
        raise NotCompiledError(f"{source.path.name} not compiled within {_CPU_S} s of the CPU")
    if done.returncode:
        log = done.stderr.decode(errors="replace")
        raise compile_failures.of_log(source.path, done.returncode, log, release)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _object_of(source: Source, headers: Path, result: dict[str, Any]) -> ProgramObject:
    """Return what a child says of a program as an object."""
    definitions = {row["descriptor"]: _definition(row) for row in result["maps"]}
    named = {descriptor: each.name for descriptor, each in definitions.items()}
    stand_ins = {
        number << shift: (constant.name, shift)
        for constant, number in source.stand_ins()
        for shift in (0, 32)
    }
    functions = {
        name: _function(f"{source.path.name}: {name}", bytes.fromhex(code), named, stand_ins)
        for name, code in result["functions"].items()
    }
    found = {each.name for function in functions.values() for each in function.constants}
    if unused := {each.name for each in source.constants} - found:
        raise FailedError(f"{source.path.name} does not use {', '.join(sorted(unused))}")
    files = [Path(bcc.library_path()), *map(Path, result["libraries"])]
    files += [headers / each for each in result["headers"]]
    return ProgramObject(
        functions,
        tuple(definitions.values()),
        bytes.fromhex(result["btf"]),
        made_from={str(path): store.fingerprint(path) or "" for path in files},
    )


def _definition(row: dict[str, Any]) -> MapDefinition:
    """Return the definition of a map from the attribute that BCC made it with."""
    whole = bytes.fromhex(row["attribute"]).ljust(sizeof(MapCreateAttr), b"\0")
    made = MapCreateAttr.from_buffer_copy(whole)
    if made.map_type == MapType.PERF_EVENT_ARRAY and made.max_entries == possible_cpus():
        made.max_entries = 0  # BCC's own choice, for the machine it compiles on
    return MapDefinition(
        name=row["name"],
        kind=made.map_type,
        key_bytes=made.key_size,
        value_bytes=made.value_size,
        max_entries=made.max_entries,
        flags=made.map_flags,
        btf_key=made.btf_key_type_id,
        btf_value=made.btf_value_type_id,
        inner=row["inner"],
    )


def _function(
    name: str, code: bytes, maps: dict[int, str], stand_ins: dict[int, tuple[str, int]]
) -> Function:
    """Return a function with descriptors and stand-ins taken out, and where they were."""
    cleared = instructions(code)
    map_references, constants = [], []
    for index, first, second in _instructions(cleared):
        number = first.imm
        if second is not None:
            number = first.imm & 0xFFFFFFFF | (second.imm & 0xFFFFFFFF) << 32
        if second is not None and first.src_reg == PSEUDO_MAP_FD:
            if first.imm not in maps:
                raise FailedError(f"{name} uses a map that BCC does not make: pinned or extern")
            map_references.append(Reference(index, maps[first.imm]))
            first.imm = 0
        elif second is not None and not first.src_reg and second.imm == first.imm >> 31:
            # A number this small needs no instruction of 16 bytes: it is the address of data.
            raise FailedError(
                f"{name} uses static or global data, or an array of constants: BCC has none",
                "keep it in a map (BPF_ARRAY), set its elements one by one, or measure an object"
                " file",
            )
        elif number in stand_ins:
            constants.append(Reference(index, *stand_ins[number]))
            first.imm = 0
            if second is not None:
                second.imm = 0
    return Function(bytes(cleared), tuple(map_references), tuple(constants))


def _instructions(code: Array[BpfInsn]) -> Iterator[tuple[int, BpfInsn, BpfInsn | None]]:
    """Yield each instruction with its index, and its second half where it has one."""
    index = 0
    while index < len(code):
        wide = code[index].code == LOAD_64
        yield index, code[index], code[index + 1] if wide else None
        index += 2 if wide else 1
