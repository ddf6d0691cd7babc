"""The directory of one guest's run: its files, its sockets and the share, gone with the guest.

A process killed outright cannot remove it: a shell that waits for its end does.  Should that be
killed as well, the next guest of the same user removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from ebpf_overhead.closing import Afterwards

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
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._remover = Afterwards('exec rm -rf -- "$1"', str(self.path))

    def remove(self) -> None:
        """Remove it and all it holds; may be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        self._remover.close()


def _parent() -> Path:
    parent = Path(tempfile.gettempdir()).resolve()
    # Never in another one, whose share a guest may write to.
    outer = [path for path in (parent, *parent.parents) if path.name.startswith(PREFIX)]
    parent = outer[-1].parent if outer else parent
    longest = f"{parent}/{PREFIX}12345678{_LONGEST_NAME}"
    return parent if len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES else Path("/tmp")


def existing() -> list[Path]:
    """Return the directories of guests that run, or were killed outright."""
    return sorted(_parent().glob(f"{PREFIX}*"))


def sweep() -> None:
    """Remove the directories of this user's guests that were killed outright."""
    for path in existing():
        try:
            _remove_if_abandoned(path)
        except OSError:
            continue  # Another user's, or just being removed.


def _remove_if_abandoned(path: Path) -> None:
    status = path.stat(follow_symlinks=False)
    if status.st_uid != os.geteuid() or abs(time.time() - status.st_mtime) < _GRACE_S:
        return
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except BlockingIOError:
        pass  # Its guest lives.
    finally:
        os.close(lock)
