"""Names of functions, in the kernel and in programs, and what is wrong with a name."""

from __future__ import annotations

import ctypes
import difflib
import fnmatch
import os
import re
import shutil
from functools import cache
from pathlib import Path

from ebpf_overhead import btf, pseudofs
from ebpf_overhead.bcc_library import captured_stderr, import_bcc
from ebpf_overhead.bpf import TraceAttachType
from ebpf_overhead.errors import BadUseError, MissingToolError, UnsupportedError

_KALLSYMS = Path("/proc/kallsyms")
# What compilers append to the name of a function they changed.
_CHANGED = re.compile(r"\.(isra|part|constprop|cold|llvm)\b")


@cache
def kernel_functions() -> frozenset[str]:
    """Return the names of all functions of the running kernel and its modules."""
    names = set()
    with open(_KALLSYMS, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            _, kind, name, *_ = line.split(maxsplit=3)
            if kind in "tTwW":
                names.add(name)
    return frozenset(names)


def matching_functions(pattern: str, at_most: int) -> list[str]:
    """Return the kernel's traceable functions that a glob matches, sorted.

    Parameters
    ----------
    pattern : str
        Name with ``*``, ``?`` and ``[…]``.
    at_most : int
        More matches than this are an error.

    Raises
    ------
    BadUseError
        None matches, or too many do.
    """
    known = traceable_functions() or kernel_functions()
    names = sorted(name for name in fnmatch.filter(known, pattern) if "." not in name)
    if not names:
        raise BadUseError(f"no kernel function matches {pattern!r}", "see /proc/kallsyms")
    if len(names) > at_most:
        raise BadUseError(
            f"{pattern!r} matches {len(names):,} functions, at most {at_most:,} can be hooked",
            "narrow the pattern",
        )
    return names


@cache
def traceable_functions() -> frozenset[str] | None:
    """Return the functions that ftrace can hook; None where the kernel does not tell.

    The list is in tracefs and needs its rights; a kernel in lockdown hides it.
    """
    try:
        text = pseudofs.read_text("tracefs", "available_filter_functions")
    except OSError:
        return None
    return frozenset(line.split()[0] for line in text.splitlines() if line) or None


def explain_name(name: str) -> BadUseError | None:
    """Say what is wrong with the name of a kernel function; None if the kernel has it."""
    functions = kernel_functions()
    if name in functions:
        return None
    changed = sorted(each for each in functions if _CHANGED.search(each) and _base(each) == name)
    if changed:
        return BadUseError(
            f"the compiler changed {name}: this kernel has {', '.join(changed)} instead",
            "choose one of its callers or callees",
        )
    plain = (each for each in functions if "." not in each)
    similar = difflib.get_close_matches(name, plain, n=3, cutoff=0.75)
    hint = f"similar: {', '.join(similar)}" if similar else "see /proc/kallsyms"
    return BadUseError(
        f"no function {name} in this kernel: it is not built in, or inlined wherever it is used",
        hint,
    )


def is_traceable(name: str) -> bool | None:
    """Whether ftrace can hook a function; None where the kernel does not tell."""
    known = traceable_functions()
    return None if known is None else name in known


def in_btf(name: str) -> bool:
    """Whether the kernel's own BTF has a function, which fentry and fexit need.

    True as well where that cannot be found out.
    """
    try:
        return btf.find_id(name, TraceAttachType.FENTRY) is not None
    except UnsupportedError:
        return False
    except MissingToolError:
        return True


def is_syscall(name: str) -> bool | None:
    """Whether a system call has that name; None where the kernel does not tell."""
    try:
        events = pseudofs.names("tracefs", "events/syscalls")
    except OSError:
        return None
    return f"sys_enter_{name}" in events


def _base(name: str) -> str:
    return name.partition(".")[0]


@cache
def user_offset(name: str) -> tuple[str, int]:
    """Return the file and the offset in it of a function of a program or library.

    Parameters
    ----------
    name : str
        ``file:symbol`` or ``file:0xoffset``; the file is a path, a command in PATH, or a
        library without ``lib`` and ``.so``, like ``c``.

    Raises
    ------
    BadUseError
        There is no such file or symbol.
    """
    module, _, symbol = name.rpartition(":")
    path = _file(module)
    if re.fullmatch(r"\+?0x[0-9a-fA-F]+", symbol):
        return path, int(symbol.lstrip("+"), 16)
    bcc = import_bcc()
    found = bcc.libbcc.bcc_symbol()
    with captured_stderr():
        status = bcc.libbcc.lib.bcc_resolve_symname(
            os.fsencode(path), symbol.encode(), 0, 0, None, ctypes.byref(found)
        )
    if status < 0:
        raise BadUseError(
            f"no function {symbol} in {path}",
            f"see nm -D {path}; in a stripped file name it by its offset, {module}:0x1234",
        )
    bcc.libbcc.lib.bcc_procutils_free(found.module)
    return path, int(found.offset)


def _file(module: str) -> str:
    if "/" in module:
        if not Path(module).is_file():
            raise BadUseError(f"no file {module}", "give the path of a program or a library")
        return str(Path(module).resolve())
    command = shutil.which(module)
    if command is not None:
        return str(Path(command).resolve())
    bcc = import_bcc()
    pointer = bcc.libbcc.lib.bcc_procutils_which_so(module.encode(), 0)
    if pointer:
        path = ctypes.cast(pointer, ctypes.c_char_p).value or b""
        bcc.libbcc.lib.bcc_procutils_free(pointer)
        return str(Path(os.fsdecode(path)).resolve())
    raise BadUseError(f"no library or command is called {module!r}", "give its path, /usr/lib/…")
