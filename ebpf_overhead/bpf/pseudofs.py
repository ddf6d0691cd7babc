"""Files of tracefs, debugfs and securityfs, whether they are mounted or not.

Many machines start with none of them mounted.  A permanent mount would leave something
behind.  So our mount is in no mount namespace and vanishes with its file descriptor, even
after SIGKILL (``fsmount(2)``, Linux 5.2).
"""

from __future__ import annotations

import os
from functools import cache

from ebpf_overhead.bpf import _syscalls


@cache
def _root_fd(fstype: str) -> int:
    """Return a descriptor of the root directory of a file system type."""
    return _syscalls.detached_mount(fstype)


def open_fd(fstype: str, path: str) -> int:
    """Open a file of a pseudo file system for reading.

    Parameters
    ----------
    fstype : str
        ``tracefs``, ``debugfs`` or ``securityfs``.
    path : str
        Path below the file system's root, without a leading slash.

    Returns
    -------
    int
        File descriptor, to be closed by the caller.

    Raises
    ------
    OSError
        The file system cannot be mounted (privileges, kernel), or the file cannot be opened.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=_root_fd(fstype))


def read_text(fstype: str, path: str) -> str:
    """Return the text of a file of a pseudo file system; see :func:`open_fd`."""
    with os.fdopen(open_fd(fstype, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def names(fstype: str, path: str) -> list[str]:
    """Return the names in a directory of a pseudo file system; see :func:`open_fd`."""
    directory = open_fd(fstype, path)
    try:
        return os.listdir(directory)  # noqa: PTH208 - a descriptor, not a path
    finally:
        os.close(directory)
