"""Reading small files below a root directory, which may be a test's."""

from __future__ import annotations

import os
from pathlib import Path

from ebpf_overhead.bpf import pseudofs

# Where distributions mount them, if at all.
_MOUNT_POINTS = {"debugfs": "sys/kernel/debug", "securityfs": "sys/kernel/security"}


class Tree:
    """The files from which facts are read.

    A file that cannot be read (absent, missing privileges, garbled) gives None.  So one
    unknown fact does not affect the others.

    Parameters
    ----------
    root : Path
        Directory in place of ``/``; all paths are relative to it.

    Attributes
    ----------
    live : bool
        Whether the tree is that of the running system.  Then system calls may provide
        facts that are in no file.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.live = root == Path("/")

    def path(self, relative: str) -> Path:
        """Return the full path of a file of the tree."""
        return self._root / relative

    def raw(self, relative: str, limit_bytes: int = 1 << 20) -> bytes | None:
        """Return the first ``limit_bytes`` of a file."""
        try:
            with self.path(relative).open("rb", buffering=0) as stream:
                return _read_up_to(stream.fileno(), limit_bytes)
        except OSError:
            return None

    def text(self, relative: str, limit_bytes: int = 1 << 20) -> str | None:
        """Return a file's text without the white space around it."""
        content = self.raw(relative, limit_bytes)
        # Strings of the device tree end with a zero byte.
        return None if content is None else content.decode(errors="replace").strip("\0 \n\t")

    def integer(self, relative: str) -> int | None:
        """Return the number that a file holds."""
        try:
            return int(self.text(relative) or "")
        except ValueError:
            return None

    def flag(self, relative: str) -> bool | None:
        """Return whether the number in a file is not 0."""
        number = self.integer(relative)
        return None if number is None else number != 0

    def matches(self, directory: str, pattern: str) -> list[str]:
        """Return the sorted relative paths in a directory that match a pattern."""
        found = self.path(directory).glob(pattern)
        return sorted(str(each.relative_to(self._root)) for each in found)

    def exists(self, relative: str) -> bool:
        """Whether there is such a file or directory."""
        return self.path(relative).exists()

    def link(self, relative: str) -> str | None:
        """Return the target of a symbolic link."""
        try:
            return str(self.path(relative).readlink())
        except OSError:
            return None

    def pseudo_text(self, fstype: str, relative: str) -> str | None:
        """Return the text of a file of debugfs or securityfs, mounted or not."""
        text = self.text(f"{_MOUNT_POINTS[fstype]}/{relative}")
        if text is not None or not self.live:
            return text
        try:
            return pseudofs.read_text(fstype, relative).strip()
        except OSError:
            return None


def _read_up_to(fd: int, limit_bytes: int) -> bytes:
    """Read until the end or the limit: files of /proc return one page per read."""
    chunks = []
    while limit_bytes > 0 and (chunk := os.read(fd, limit_bytes)):
        chunks.append(chunk)
        limit_bytes -= len(chunk)
    return b"".join(chunks)
