"""Whose files may be used: a directory that another user could have written to is refused.

This program often runs as root.  What it reads from its data directory decides which code
runs: git's hooks, kernel images, apt's configuration.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ebpf_overhead.errors import BadUseError

_MOST_LINKS = 40  # As the kernel's MAXSYMLINKS: more are a circle.
_ACL = "system.posix_acl_access"


def trusted_users() -> frozenset[int]:
    """Return the ids of root, this user, and the owner of this program's own code.

    The owner can change what runs here anyway, so ``sudo make bench`` works in one's own clone.
    """
    return frozenset({0, os.geteuid(), Path(__file__).stat().st_uid})


def refuse_foreign(path: Path) -> None:
    """Refuse a place that another user could have written to.

    Every directory and symbolic link on the way is checked as well: whoever can write there
    could put another directory in its place.  What does not exist yet is no danger.

    Parameters
    ----------
    path : Path
        A directory or file, absolute or relative to the current directory.

    Raises
    ------
    BadUseError
        It, or something on the way to it, belongs to another user or is writable by others.
    """
    for place, status, last in steps(path.absolute()):
        _refuse(path, place, status, shared=not last)


def refuse_foreign_tree(root: Path) -> None:
    """Refuse a directory if any file in it, or anything on the way to it, is another user's.

    Parameters
    ----------
    root : Path
        A directory; one that does not exist passes.

    Raises
    ------
    BadUseError
        See `refuse_foreign`.
    """
    refuse_foreign(root)
    for folder, directories, files in os.walk(root):
        for name in directories + files:
            place = Path(folder, name)
            _refuse(root, place, place.lstat(), shared=False)


def steps(path: Path) -> Iterator[tuple[Path, os.stat_result, bool]]:
    """Yield what the kernel passes on its way: place, status, whether the way ends there.

    Parameters
    ----------
    path : Path
        Absolute; where it leads to nothing, the way ends before.
    """
    place, links = Path("/"), 0
    left = list(reversed(path.parts[1:]))
    yield place, place.lstat(), not left
    while left:
        name = left.pop()
        if name == "..":
            place = place.parent
            continue
        step = place / name
        try:
            status = step.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISLNK(status.st_mode):
            place = step
            yield step, status, not left
            continue
        yield step, status, False
        if (links := links + 1) > _MOST_LINKS:
            raise BadUseError(f"{path}: {os.strerror(errno.ELOOP)}", "name another directory")
        target = step.readlink()
        place = Path("/") if target.is_absolute() else place
        left += reversed(target.parts[target.is_absolute() :])


def _refuse(asked: Path, place: Path, status: os.stat_result, *, shared: bool) -> None:
    """Raise BadUseError if another user could have written to a place.

    ``shared`` allows a directory like ``/tmp``, where each can remove only what is his own.
    """
    owned = "chown it, or name a directory of your own"
    if status.st_uid not in trusted_users():
        raise BadUseError(f"{asked} is not used: {place} belongs to user {status.st_uid}", owned)
    if stat.S_ISLNK(status.st_mode) or (shared and status.st_mode & stat.S_ISVTX):
        return
    if status.st_mode & stat.S_IWOTH:
        raise BadUseError(f"{asked} is not used: everybody can write to {place}", "chmod o-w it")
    if status.st_mode & stat.S_IWGRP and _others_write(place, status.st_gid):
        raise BadUseError(
            f"{asked} is not used: group {status.st_gid} can write to {place}", "chmod g-w it"
        )


def _others_write(place: Path, gid: int) -> bool:
    """Whether group rights let anybody write whom `trusted_users` does not name.

    A group that every user has alone (Debian's default) gives nobody else rights.
    """
    import grp
    import pwd

    if _ACL in os.listxattr(place, follow_symlinks=False):
        return True  # The group's bits then are what anybody in the list may have.
    trusted = trusted_users()
    try:
        names = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return True
    users = {user.pw_name: user for user in pwd.getpwall()}
    primary = {user.pw_uid for user in users.values() if user.pw_gid == gid}
    named = {users[name].pw_uid if name in users else -1 for name in names}
    return not (primary | named) <= trusted
