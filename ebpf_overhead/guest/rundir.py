"""The directory of one guest's run: its files, its sockets and the share, gone with the guest.

A process killed outright cannot remove it; the next guest of the same user does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "ebpf-overhead-guest-"
# The most bytes a Unix socket's path may have (sun_path, with its final NUL, is 108).
_SOCKET_PATH_BYTES = 107
_LONGEST_NAME = "/command.socket"
# Between its creation and its locking a directory is nobody's.
_GRACE_S = 60.0


class RunDirectory:
    """A private temporary directory that others can tell from an abandoned one."""

    def __init__(self) -> None:
        parent = _parent()
        _sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it and all it holds; may be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _parent() -> Path:
    parent = Path(tempfile.gettempdir()).resolve()
    longest = f"{parent}/{PREFIX}12345678{_LONGEST_NAME}"
    return parent if len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES else Path("/tmp")


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        try:
            _remove_if_abandoned(path)
        except OSError:
            continue  # Another user's, or just being removed.


def _remove_if_abandoned(path: Path) -> None:
    status = path.stat(follow_symlinks=False)
    if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _GRACE_S:
        return
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except BlockingIOError:
        pass  # Its guest lives.
    finally:
        os.close(lock)
