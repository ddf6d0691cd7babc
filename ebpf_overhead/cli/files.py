"""What a command is to write: whether it can be is tried before anything is measured."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import BadUseError


def check_writable(path: Path | None) -> Path | None:
    """Return a path that will be written to, after trying whether it can be.

    Raises
    ------
    BadUseError
        It cannot.
    """
    if path is not None:
        fd, made = open_for_writing(path)
        os.close(fd)
        if made:
            remove(path)
    return path


def open_for_writing(path: Path) -> tuple[int, bool]:
    """Open a file, keeping what is in it, and return its descriptor and whether it is new.

    Raises
    ------
    BadUseError
        It cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    try:
        try:
            return os.open(path, flags | os.O_EXCL, 0o666), True
        except FileExistsError:
            return os.open(path, flags, 0o666), False
    except OSError as error:
        if not path.parent.is_dir():
            raise BadUseError(f"{path.parent} is not a directory", "create it first") from error
        reason = f"{path} cannot be written: {error.strerror}"
        raise BadUseError(reason, "choose another place") from error


def write_result(path: Path, text: str) -> None:
    """Write a text where the user wants it: at once, where there is a regular file or nothing yet.

    What else is there (a device, a pipe, a link) is written to: replaced, ``/dev/null`` would be a
    file from then on.

    Raises
    ------
    OSError
        It cannot be written.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
        else:
            write_atomically(path, text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def require_writable_stdout() -> None:
    """Check that standard output is open for writing.

    Raises
    ------
    BadUseError
        It is not.
    """
    try:
        flags = fcntl.fcntl(sys.stdout.fileno(), fcntl.F_GETFL)
    except (OSError, ValueError):
        return
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise BadUseError("standard output is closed", "give -o FILE, or redirect it")


def remove(path: Path | None) -> None:
    """Remove a file that was made in vain; that it is gone already is no error."""
    if path is not None:
        with suppress(OSError):
            path.unlink()
