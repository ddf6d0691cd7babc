"""What a tool writes: kept in memory, of bounded size, looked at from time to time."""

from __future__ import annotations

import fcntl
import os

from ebpf_overhead.closing import Closing

_LIMIT_BYTES = 1 << 20
_TAIL_BYTES = 4096
_LINES = 5


class BoundedOutput(Closing):
    """A file without a name, which a tool appends to.

    It is emptied when it has become too long, and its end is kept.

    Attributes
    ----------
    fd : int
        Its descriptor.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("tool's output")
        # The position is shared with the tool: what it writes next goes to the new end.
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)
        self._kept = b""
        self._seen = 0

    def close(self) -> None:
        """Close it here; may be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def bound(self) -> None:
        """Empty it if it is too long."""
        size = os.fstat(self.fd).st_size
        if size > _LIMIT_BYTES:
            self._kept = os.pread(self.fd, _TAIL_BYTES, size - _TAIL_BYTES)
            os.ftruncate(self.fd, 0)
            self._seen = 0

    def new_lines(self) -> list[str]:
        """Return the lines that were finished since the last time, if they are still there."""
        text = os.pread(self.fd, _LIMIT_BYTES, self._seen)
        whole = text.rpartition(b"\n")[0]
        if not whole:
            return []
        self._seen += len(whole) + 1
        return whole.decode(errors="replace").split("\n")

    def last_lines(self) -> list[str]:
        """Return the last few lines that hold anything."""
        size = os.fstat(self.fd).st_size
        text = os.pread(self.fd, _TAIL_BYTES, max(size - _TAIL_BYTES, 0))
        if size < _TAIL_BYTES:
            text = self._kept + text
        lines = text.decode(errors="replace").replace("\0", "").splitlines()
        return [line.strip() for line in lines if line.strip()][-_LINES:]
