"""Names of functions, in the kernel and in programs, and what is wrong with a name."""

from __future__ import annotations

import difflib
import fnmatch
import platform
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ebpf_overhead.architectures import ARCHITECTURES
from ebpf_overhead.bpf import btf, pseudofs
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import (
    BadUseError,
    MissingToolError,
    UnknownNameError,
    UnsupportedError,
)
from ebpf_overhead.hooks import elf
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs import bcc_symbols

_KALLSYMS = Path("/proc/kallsyms")
# What compilers append to the name of a function they changed.
_CHANGED = re.compile(r"\.(isra|part|constprop|cold|llvm)\b")
# Only a piece of the function is there.
_PIECE = re.compile(r"\.(part|cold)\b")
# KSYM_NAME_LEN of include/linux/kallsyms.h since 6.1, with the byte that ends the name.
_NAME_MAX = 511
# A path and a symbol; the former is PATH_MAX at most.
_TARGET_MAX = 4096 + _NAME_MAX

# The name of a system call's entry function carries the architecture's prefix.
_SYSCALL_PREFIXES = {
    **{name: each.syscall_prefix for name, each in ARCHITECTURES.items()},
    "riscv64": "__riscv_sys_",
    "s390x": "__s390x_sys_",
}


def entry_symbols(syscall: str) -> Iterator[str]:
    """Yield the names under which a system call's entry may be found, best first.

    Which of them exists, and which is in BTF, differs by kernel and architecture.

    Parameters
    ----------
    syscall : str
        Name of the system call, without the ``sys_``.
    """
    yield f"__do_sys_{syscall}"
    prefix = _SYSCALL_PREFIXES.get(platform.machine())
    if prefix:
        yield f"{prefix}{syscall}"
    yield f"__se_sys_{syscall}"
    yield f"sys_{syscall}"


def check_length(target: str) -> None:
    """Refuse what is too long to name anything.

    Raises
    ------
    BadUseError
        No path and no symbol are as long together.
    """
    if len(target) > _TARGET_MAX:
        raise BadUseError(
            f"a target of {len(target):,} characters names nothing: {target[:40]!r}…",
            f"give one of at most {_TARGET_MAX:,}",
        )


@cache
def kernel_functions() -> frozenset[str]:
    """Return the names of all functions of the running kernel and its modules."""
    names = set()
    with open(_KALLSYMS, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            _, kind, name, *_ = [*line.split(maxsplit=3), "", "", ""]
            if kind in ("t", "T", "w", "W"):
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
        None matches, too many do, or the pattern is longer than any name.
    """
    if len(pattern) > _NAME_MAX:
        raise BadUseError(
            f"a pattern of {len(pattern):,} characters matches no function: {pattern[:40]!r}…",
            f"give one of at most {_NAME_MAX}",
        )
    known = traceable_functions() or kernel_functions()
    names = sorted(name for name in fnmatch.filter(known, pattern) if not _PIECE.search(name))
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

    The list is in tracefs and needs privileges; a kernel in lockdown hides it.
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
        whole = [each for each in changed if not _PIECE.search(each)]
        return BadUseError(
            f"the compiler changed {name}: this kernel has {', '.join(changed)} instead",
            f"a kprobe takes {whole[0]}" if whole else "choose one of its callers or callees",
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


def not_traceable(name: str) -> UnsupportedError:
    """Return the error for a function that the kernel has, and that ftrace cannot hook."""
    return UnsupportedError(
        f"{name} is in this kernel and cannot be traced: ftrace has no place for a hook in it"
        " (notrace, or no room at its start)",
        "choose one of its callers or callees",
    )


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


def syscalls() -> list[str]:
    """Return the names of the system calls; none where the kernel does not tell."""
    try:
        events = pseudofs.names("tracefs", "events/syscalls")
    except OSError:
        return []
    return sorted(name[len(_ENTER) :] for name in events if name.startswith(_ENTER))


_ENTER = "sys_enter_"


def require_syscall(name: str) -> None:
    """Check the name of a system call, where the kernel tells them.

    Raises
    ------
    BadUseError
        There is no such system call.
    """
    known = syscalls()
    if known and name not in known:
        raise UnknownNameError("system call", name, known, "see man 2 syscalls")


def _base(name: str) -> str:
    return name.partition(".")[0]


@cache
def user_point(name: str) -> AttachPoint:
    """Return where a function of a program or library is.

    Parameters
    ----------
    name : str
        ``file:symbol`` or ``file:0xoffset``; the file is a path, a command in PATH, or a
        library without ``lib`` and ``.so``, like ``c``.

    Raises
    ------
    BadUseError
        There is no such file or symbol, or it stands for several functions.
    """
    module, _, symbol = name.rpartition(":")
    if "::" in name:
        file, _, spelt = name.partition(":")
        raise BadUseError(
            f"{spelt} is a function as its source calls it",
            f"name it as the symbols of the file do; paste nm {file} <(nm -C {file}) shows both",
        )
    path = _file(module)
    if re.fullmatch(r"\+?0x[0-9a-fA-F]+", symbol):
        return AttachPoint(name, int(symbol.lstrip("+"), 16), path)
    offset = bcc_symbols.file_offset(path, symbol)
    if offset is None:
        raise BadUseError(
            f"no function {symbol} in {path}",
            f"see nm -D {path}; in a stripped file name it by its offset, {module}:0x1234",
        )
    current = elf.current_version(path, symbol)
    offset = offset if current is None else current
    if elf.chooses(path, offset):
        raise BadUseError(
            f"{symbol} of {path} is chosen when a program starts, among several (IFUNC): what has"
            " this name runs once, and not for each call",
            "name the one that is chosen, like __strlen_avx2; in a stripped file by its offset,"
            f" {module}:0x1234",
        )
    return AttachPoint(name, offset, path)


def _file(module: str) -> str:
    if "/" in module:
        try:
            is_file = Path(module).is_file()
        except OSError:  # a name that is too long
            is_file = False
        if not is_file:
            raise BadUseError(f"no file {module}", "give the path of a program or a library")
        return str(Path(module).resolve())
    command = shutil.which(module)
    if command is not None:
        return str(Path(command).resolve())
    library = bcc_symbols.library_file(module)
    if library is not None:
        return str(Path(library).resolve())
    raise BadUseError(f"no library or command is called {module!r}", "give its path, /usr/lib/…")
