"""What a guest prints on its console: kept in a bounded file, and searched for why it ended."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

_TAIL_LINES = 40
_READ_BYTES = 1 << 16
# A guest may print without end.  Of more than this, the newest part is kept.
_MOST_BYTES = 4 << 20
_KEPT_BYTES = 1 << 20
# The most telling first.
_REASONS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^(?:\[ *[\d.]+\] )?(Kernel panic - not syncing: .*)$",
        r"^(KVM internal error.*)$",
        r"^guest: (failed: .*)$",
        r"^(qemu-system-\S+: .*)$",
    )
)


class Console:
    """Copies what comes from a guest's console to a file, until the guest ends.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    theirs : socket.socket
        QEMU's end, to be closed here once QEMU has it.
    """

    def __init__(self, path: Path) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._path = path
        self._copier = threading.Thread(target=self._copy, name="console", daemon=True)
        self._copier.start()

    def settle(self, timeout_s: float) -> None:
        """Wait until all that a guest printed is in the file, after the guest has ended."""
        self._copier.join(timeout_s)

    def _copy(self) -> None:
        with self._ours, self._path.open("w+b", buffering=0) as file:
            while data := self._receive():
                if file.tell() + len(data) > _MOST_BYTES:
                    file.seek(-_KEPT_BYTES, 2)
                    newest = file.read()
                    file.seek(0)
                    file.truncate()
                    file.write(newest)
                file.write(data)

    def _receive(self) -> bytes:
        try:
            return self._ours.recv(_READ_BYTES)
        except ConnectionError:
            return b""


@dataclass(frozen=True)
class Tail:
    """The end of a guest's messages.

    Parameters
    ----------
    reason : str
        The line that says most, or the empty string.
    text : str
        The last lines.
    """

    reason: str
    text: str


def tail(console: Path, messages: Path) -> Tail:
    """Return the end of what the kernel and QEMU said.

    Parameters
    ----------
    console, messages : Path
        The files of each; they need not exist.
    """
    kernel, qemu = _read(console), _read(messages)
    lines = [*kernel.splitlines()[-_TAIL_LINES:], *qemu.splitlines()[-_TAIL_LINES:]]
    for reason in _REASONS:
        if found := reason.search(f"{kernel}\n{qemu}"):
            return Tail(found[1].strip(), "\n".join(lines))
    return Tail("", "\n".join(lines))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace("\r", "")
    except OSError:
        return ""
