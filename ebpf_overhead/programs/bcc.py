"""Finding BCC's library and the headers that it compiles with.

The library comes with the distribution.  BCC's Python module is not used: it attaches
functions of certain names as soon as they are compiled.
"""

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from pathlib import Path

from ebpf_overhead.errors import BadUseError, MissingToolError, UnsupportedError
from ebpf_overhead.trust import refuse_foreign

HEADERS = Path(__file__).parent / "headers"

# Where it is set, programs were compiled elsewhere by the library that it names, and there is none
# here: in guests of another architecture.
COMPILER_VARIABLE = "EBPF_OVERHEAD_COMPILER"

_LIBRARY = "libbcc.so.0"
_LINKER_CACHE = Path("/etc/ld.so.cache")
_USUAL_PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_INSTALL_HINT = (
    "install it: apt-get install libbpfcc (Debian, Ubuntu), dnf install bcc (Fedora, RHEL),"
    " pacman -S bcc (Arch)"
)


def compiler() -> str:
    """Return the file of the library that programs are, or were, compiled by.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    return os.environ.get(COMPILER_VARIABLE) or str(library_path())


@cache
def library_path() -> Path:
    """Return the file of BCC's library, which is looked for and not loaded: it brings LLVM.

    Raises
    ------
    MissingToolError
        It is not installed.
    UnsupportedError
        This is a guest of another architecture.
    """
    if COMPILER_VARIABLE in os.environ:
        raise UnsupportedError(
            "guests of another architecture have no BCC, which this needs",
            "measure it on a kernel of this machine's architecture",
        )
    named = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    found = [Path(place) / _LIBRARY for place in named if place]
    if _LINKER_CACHE.exists():
        # The cache is a table of strings, each ended by a zero: names, and paths.
        pattern = rb"/[^\0]*/" + re.escape(_LIBRARY).encode() + rb"(?=\0)"
        known = re.findall(pattern, _LINKER_CACHE.read_bytes())
        found += [Path(os.fsdecode(path)) for path in known]
    found += [Path(place) / _LIBRARY for place in _USUAL_PLACES]
    for path in found:
        if path.exists():
            return path.resolve()
    raise missing(f"{_LIBRARY} not found")


def missing(why: str) -> MissingToolError:
    """Return the error for BCC that is not there or does not load."""
    return MissingToolError(f"BCC: {why}", _INSTALL_HINT)


@cache
def library() -> ctypes.CDLL:
    """Return BCC's library, loaded into this process for what it knows of symbols.

    Raises
    ------
    MissingToolError
        It is not installed, or does not load.
    """
    path = library_path()
    try:
        return ctypes.CDLL(str(path), use_errno=True)
    except OSError as error:
        raise missing(str(error)) from error


def header_tree() -> Path:
    """Return the headers to compile with: the project's, unless the user named others.

    Raises
    ------
    BadUseError
        The directory in ``BCC_KERNEL_SOURCE`` holds no kernel headers.  BCC would look for
        others in ``/tmp``.  Or another user could have written them.
    """
    chosen = os.environ.get("BCC_KERNEL_SOURCE")
    if chosen is None:
        return HEADERS
    directory = Path(chosen).absolute()
    if not (directory / "include/linux/kconfig.h").is_file():
        raise BadUseError(
            f"BCC_KERNEL_SOURCE={directory} has no include/linux/kconfig.h",
            "name a directory of kernel headers, or unset it",
        )
    refuse_foreign(directory)
    return directory
