"""What BCC's library knows of functions in programs and libraries, debug files included."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ebpf_overhead.programs import bcc


class _Symbol(ctypes.Structure):
    """``struct bcc_symbol`` of ``bcc_syms.h``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("demangled_name", ctypes.c_char_p),
        ("module", ctypes.c_void_p),
        ("offset", ctypes.c_uint64),
    )


def file_offset(path: str, function: str) -> int | None:
    """Return where a function begins in a file; None when the file has no such function.

    Raises
    ------
    MissingToolError
        BCC is not installed.
    """
    library = bcc.library()
    found = _Symbol()
    with captured_stderr():
        status = library.bcc_resolve_symname(
            *(os.fsencode(path), function.encode(), ctypes.c_uint64(0), 0),
            *(None, ctypes.byref(found)),
        )
    if status < 0:
        return None
    library.bcc_procutils_free(ctypes.c_void_p(found.module))
    return int(found.offset)


def library_file(name: str) -> str | None:
    """Return the file of a library, named without ``lib`` and ``.so``; None when there is none.

    Raises
    ------
    MissingToolError
        BCC is not installed.
    """
    library = bcc.library()
    library.bcc_procutils_which_so.restype = ctypes.c_void_p
    pointer = library.bcc_procutils_which_so(name.encode(), 0)
    if not pointer:
        return None
    path = os.fsdecode(ctypes.string_at(pointer))
    library.bcc_procutils_free(ctypes.c_void_p(pointer))
    return path


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collect what C code writes to standard error: BCC reports in no other way.

    Yields
    ------
    list of str
        Gets the text as its only item when the block is left.
    """
    captured: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield captured
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            stream.seek(0)
            captured.append(stream.read().decode(errors="replace"))
