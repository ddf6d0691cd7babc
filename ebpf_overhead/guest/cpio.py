"""Archives in cpio's "newc" format, which the kernel unpacks as its first file system.

The format is described in the kernel's Documentation/driver-api/early-userspace/
buffer-format.rst.  Equal contents give equal bytes: there is no time stamp but those of files.
"""

from __future__ import annotations

import stat


class Archive:
    """An archive under construction."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._count = 0

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory; its parents must have been added."""
        self._add(name, stat.S_IFDIR | mode)

    def file(self, name: str, content: bytes, mode: int = 0o644, mtime_s: int = 0) -> None:
        """Add a regular file."""
        self._add(name, stat.S_IFREG | mode, content, mtime_s=mtime_s)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        """Add a device node; no right of the host is needed for that."""
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self) -> bytes:
        """Return the archive; nothing can be added to it afterwards."""
        self._add("TRAILER!!!", 0)
        return bytes(self._bytes)

    def _add(
        self,
        name: str,
        mode: int,
        content: bytes = b"",
        device: tuple[int, int] = (0, 0),
        mtime_s: int = 0,
    ) -> None:
        self._count += 1
        terminated = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device, device node, name size, checksum
        sizes = (len(content), 0, 0, *device, len(terminated), 0)
        fields = (self._count, mode, 0, 0, 1, mtime_s, *sizes)
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + terminated
        self._pad()
        self._bytes += content
        self._pad()

    def _pad(self) -> None:
        self._bytes += b"\0" * (-len(self._bytes) % 4)
