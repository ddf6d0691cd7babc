"""Where the guest sees what of the host: the root's scratch directories and what shows in them.

The guest's root is the host's, read-only.  Programs want a few writable directories, so those
become empty memory file systems, and what the run needs in them (an interpreter
in ``/root``, a virtual environment in ``/tmp``) is shown again at its own place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Empty and writable in the guest.
SCRATCH = ("/run", "/tmp", "/var/tmp", "/root")


@dataclass(frozen=True)
class Layout:
    """What is mounted over the read-only root.

    Parameters
    ----------
    scratch : tuple of str
        Directories that become memory file systems.
    shown : tuple of str
        Directories and files of the host below those, shown again, read-only.
    links : tuple of (str, str)
        Symbolic links below those, as (place, target), through which the host names
        something that is needed.
    """

    scratch: tuple[str, ...]
    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def plan(needed: Iterable[Path], scratch: Iterable[str] = SCRATCH) -> Layout:
    """Return what to mount so that the needed paths can be used in the guest.

    Parameters
    ----------
    needed : iterable of Path
        Existing, absolute paths of the host.
    scratch : iterable of str, optional
        Directories to make writable; those the host does not have are left out, and those
        that are themselves needed stay as they are.

    Returns
    -------
    Layout
        In an order in which it can be set up.
    """
    places = sorted({os.path.realpath(each) for each in scratch if Path(each).is_dir()})
    wanted = sorted({str(path) for path in needed})
    real = {os.path.realpath(path) for path in wanted}
    places = [place for place in places if place not in real]
    shown = _outermost(path for path in real if _is_below(path, places))
    links = [
        (path, os.path.realpath(path))
        for path in wanted
        if path != os.path.realpath(path) and _is_below(path, places) and not _is_below(path, shown)
    ]
    return Layout(tuple(places), tuple(shown), tuple(links))


def _is_below(path: str, directories: Iterable[str]) -> bool:
    return any(path.startswith(directory.rstrip("/") + "/") for directory in directories)


def _outermost(paths: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for path in sorted(paths):
        if path not in kept and not _is_below(path, kept):
            kept.append(path)
    return kept
