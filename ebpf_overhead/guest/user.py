"""Who QEMU runs as: nobody in particular where root starts it.

A guest runs a kernel and programs under test.  If they take over QEMU, it should have the
privileges of nobody, not those of root.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 65534
# CAP_CHOWN, CAP_SETGID and CAP_SETUID (linux/capability.h).
_CHANGE_USER = 1 << 0 | 1 << 6 | 1 << 7


@dataclass(frozen=True)
class User:
    """A user of the host.

    Parameters
    ----------
    uid, gid : int
        The ids.
    """

    uid: int
    gid: int

    def may_read(self, path: Path) -> bool:
        """Whether the mode of a file, or of a directory, lets this user read it."""
        status = path.stat()
        wanted = 0o5 if stat.S_ISDIR(status.st_mode) else 0o4
        if status.st_uid == self.uid:
            wanted <<= 6
        elif status.st_gid == self.gid:
            wanted <<= 3
        return status.st_mode & wanted == wanted


def unprivileged() -> User:
    """Return the user that owns nothing: ``nobody``."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_NOBODY, _NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


def choose(share: Path | None, shown: Iterable[Path]) -> tuple[User | None, str]:
    """Return who QEMU should run as.

    Parameters
    ----------
    share : Path or None
        The directory it must be able to write to; None for one of its own.
    shown : iterable of Path
        What it must be able to read.

    Returns
    -------
    user : User or None
        None: whoever starts it.
    reason : str
        Why QEMU runs as root; empty when it does not.
    """
    if os.geteuid() != 0:
        return None, ""
    user = unprivileged()
    if not _may_become(user):
        return None, f"root may not become user {user.uid} here"
    if share is not None:
        status = share.stat()
        if status.st_uid == 0:
            return None, f"{share} belongs to root"
        user = User(status.st_uid, status.st_gid)
    for path in shown:
        if not user.may_read(path):
            return None, f"user {user.uid} may not read {path}"
    return user, ""


def hand_over(directory: Path) -> None:
    """Give a directory, with all in it, to the user as which root's guests run.

    Parameters
    ----------
    directory : Path
        One of this program's own.  Nothing happens unless root asks.
    """
    user = unprivileged()
    if os.geteuid() != 0 or not _may_become(user):
        return
    os.chown(directory, user.uid, user.gid)
    # By descriptors: the guest may put a link where a directory was, at any moment.
    for _, folders, files, descriptor in os.fwalk(directory):
        for name in (*folders, *files):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                continue  # It may have a name outside.
            os.chown(name, user.uid, user.gid, dir_fd=descriptor, follow_symlinks=False)


def _may_become(user: User) -> bool:
    # In a container root may have neither the capabilities nor the other user.
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return effective & _CHANGE_USER == _CHANGE_USER and any(
        int(first) <= user.uid < int(first) + int(count) for first, _, count in ranges
    )
