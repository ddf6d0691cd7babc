"""Finding libbpf, the distribution's library for BPF objects and type information.

BCC links it, so it is installed with BCC.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

from ebpf_overhead.errors import MissingToolError

_NAMES = ("libbpf.so.1", "libbpf.so.0")
# Installs it; what it needs comes with it.
INSTALL_HINT = "install it: apt-get install libbpf1, dnf install libbpf"


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return libbpf, which prints nothing: its error codes say it all.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        found.libbpf_set_print.argtypes = [ctypes.c_void_p]
        found.libbpf_set_print(None)
        return found
    raise MissingToolError("libbpf (libbpf.so.1) not found", INSTALL_HINT)
