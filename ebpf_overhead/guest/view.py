"""What a guest sees of the host: a few directories, a few files, and the links that lead to them.

The guest's root is a memory file system of its own.  Nothing of the host is in it but what
`plan` names: programs and libraries, what is needed to run a command, and what the user shows.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Programs and libraries.  Where one of these is a symbolic link, as /bin often is, the guest
# has the same link.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/nix/store", "/gnu/store"),
)
# What programs look up there: names, libraries, terminals.  No keys, no passwords, no services.
_CONFIGURATION = (
    *("alternatives", "bash.bashrc", "debian_version", "group", "host.conf", "hosts", "inputrc"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "os-release"),
    *("passwd", "profile", "protocols", "services", "terminfo", "timezone"),
)
# Directories that hold more than a command needs.  One is shown only when the user names it.
_PRIVATE = (
    *("/", "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/opt", "/proc", "/root", "/run"),
    *("/srv", "/sys", "/tmp", "/var", "/var/lib", "/var/log", "/var/tmp"),
)


@dataclass(frozen=True)
class View:
    """What a guest sees, each at the path it has on the host.

    Parameters
    ----------
    directories : tuple of str
        Mounted read-only; none lies in another.
    files : tuple of str
        Copied, because only directories can be mounted.
    links : tuple of (str, str)
        Symbolic links, as (place, target).
    """

    directories: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def plan(needed: Iterable[Path], named: Iterable[Path] = (), system: bool = True) -> View:
    """Return what to show so that the given paths can be used in the guest.

    Parameters
    ----------
    needed : iterable of Path
        Existing, absolute paths of the host.  Those that hold more than a command needs, such
        as ``/`` or a home directory, are left out.
    named : iterable of Path, optional
        The same, but named by the user: shown whatever they hold.
    system : bool, optional
        Whether to show the host's programs, libraries and configuration as well.
    """
    wanted = [Path(path) for path in _SYSTEM if system and Path(path).exists()]
    wanted += [path for path in needed if not is_private(path)]
    wanted += named
    places = sorted({str(path) for path in wanted})
    real = {os.path.realpath(place) for place in places}
    directories = outermost(path for path in real if Path(path).is_dir())
    files = sorted(path for path in real if not is_below(path, directories) and _is_file(path))
    # A link that lies behind another one is there with it.
    links = {
        place: os.path.realpath(place)
        for place in outermost(place for place in places if place != os.path.realpath(place))
        if not is_below(place, directories)
    }
    configured = _configuration() if system else View()
    return View(
        tuple(directories),
        tuple(sorted({*files, *configured.files})),
        tuple(sorted({**dict(configured.links), **links}.items())),
    )


def is_private(path: Path) -> bool:
    """Whether a directory holds more than a command needs: ``/``, ``/etc``, somebody's home."""
    real = os.path.realpath(path)
    return real in _PRIVATE or any(is_below(home, [real]) for home in _homes())


@lru_cache(maxsize=1)
def _homes() -> frozenset[str]:
    # Services have homes such as /usr/sbin; people have numbers from 1000 on.
    people = [entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid == 0 or entry.pw_uid >= 1000]
    return frozenset(os.path.realpath(home) for home in {*people, str(Path.home())})


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether a path is one of the directories, or lies in one."""
    return any(
        path == directory or path.startswith(directory.rstrip("/") + "/")
        for directory in directories
    )


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that lie in no other one, sorted."""
    kept: list[str] = []
    for path in sorted(paths):
        if not is_below(path, kept):
            kept.append(path)
    return kept


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _configuration() -> View:
    files, links = [], []
    for name in _CONFIGURATION:
        top = Path("/etc", name)
        for path in [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]:
            if path.is_symlink():
                links.append((str(path), str(path.readlink())))
            elif path.is_file():
                files.append(str(path))
    return View((), tuple(files), tuple(links))
