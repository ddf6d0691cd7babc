"""Reading small files below a root directory: the machine's own, or a made-up one."""

from __future__ import annotations

import os
from pathlib import Path

from ebpf_overhead import pseudofs

# Where distributions mount them; they may be mounted nowhere.
_MOUNT_POINTS = {"debugfs": "sys/kernel/debug", "securityfs": "sys/kernel/security"}


class Tree:
    """The files that facts are read from.

    Whatever cannot be read (absent, no rights, garbled) is None, so that each fact of
    a machine stands or falls alone.

    Parameters
    ----------
    root : Path
        Directory that stands for ``/``; all paths are relative to it.

    Attributes
    ----------
    live : bool
        Whether the tree is the running system's, which may then be asked by system
        call for what no file tells.
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
        # The device tree's strings end in a zero byte.
        return None if content is None else content.decode(errors="replace").strip("\0 \n\t")

    def integer(self, relative: str) -> int | None:
        """Return the number that a file holds."""
        try:
            return int(self.text(relative) or "")
        except ValueError:
            return None

    def flag(self, relative: str) -> bool | None:
        """Return the switch that a file holds as 0 or 1."""
        number = self.integer(relative)
        return None if number is None else number != 0

    def matches(self, directory: str, pattern: str) -> list[str]:
        """Return the relative paths in a directory that match a pattern, in order."""
        found = self.path(directory).glob(pattern)
        return sorted(str(each.relative_to(self._root)) for each in found)

    def exists(self, relative: str) -> bool:
        """Whether there is such a file or directory."""
        return self.path(relative).exists()

    def link(self, relative: str) -> str | None:
        """Return where a symbolic link points to."""
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
    """Read until the end or the limit: files of /proc give a page at a time."""
    chunks = []
    while limit_bytes > 0 and (chunk := os.read(fd, limit_bytes)):
        chunks.append(chunk)
        limit_bytes -= len(chunk)
    return b"".join(chunks)
