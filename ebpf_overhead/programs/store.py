"""Compiled programs on disk, so that a program is compiled once and not in every process.

One file per program in the user's cache directory.  What is in them is loaded into the kernel:
nobody else may have written them.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs.program_object import ProgramObject
from ebpf_overhead.trust import refuse_foreign, refuse_foreign_tree

# Names another directory; guests are told theirs so.  Who owns that one is not checked: whoever
# sets the variables of a process decides what it runs anyway.
OBJECTS_VARIABLE = "EBPF_OVERHEAD_OBJECTS"
# A program is a few KiB: the shipped ones, a user's own and their variants have room.
_MOST_OBJECTS = 1000
# Of these, so many are given to a guest, which compiles others itself.
_MOST_GIVEN = 200
# One that was used within a minute counts as used.
_USED_S = 60.0


def cache_directory() -> Path:
    """Return the user's directory for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "ebpf-overhead"


def directory() -> Path:
    """Return where the objects are."""
    chosen = os.environ.get(OBJECTS_VARIABLE)
    return Path(chosen) if chosen else cache_directory() / "objects"


def find(key: str) -> ProgramObject | None:
    """Return a stored object; None where there is none that may be used.

    Parameters
    ----------
    key : str
        What identifies it: hexadecimal digits.
    """
    path = directory() / f"{key}.json"
    # Whoever sets the variable has looked: `usable`, for a guest, in which all files are slow.
    if OBJECTS_VARIABLE in os.environ:
        return _read(path)
    try:
        refuse_foreign(path)
    except (BadUseError, OSError):
        return None
    found = _read(path)
    if found is None or not _is_fresh(found):
        return None
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _USED_S:
            os.utime(path)  # those that are not used are the first to go
    return found


def keep(key: str, made: ProgramObject) -> None:
    """Store an object; a place that cannot be written to is no reason to fail."""
    place = directory()
    with suppress(OSError, BadUseError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if OBJECTS_VARIABLE not in os.environ:
            refuse_foreign(place)
        write_atomically(place / f"{key}.json", made.to_json())
        _drop_oldest(place)


def usable() -> Iterator[tuple[str, str]]:
    """Yield file name and content of the stored objects for a guest, those used last first."""
    fingerprints = cache(lambda name: fingerprint(Path(name)))  # Most have the same headers.
    with suppress(OSError, BadUseError):
        refuse_foreign_tree(directory())
        for path in _last_used(directory())[:_MOST_GIVEN]:
            with suppress(OSError, ValueError):
                text = path.read_text()
                made_from = ProgramObject.of_json(text).made_from
                if all(fingerprints(name) == known for name, known in made_from.items()):
                    yield path.name, text


def _read(path: Path) -> ProgramObject | None:
    try:
        return ProgramObject.of_json(path.read_text())
    except (OSError, ValueError):
        return None


def _is_fresh(found: ProgramObject) -> bool:
    return all(fingerprint(Path(name)) == known for name, known in found.made_from.items())


def fingerprint(path: Path) -> str | None:
    """Return what tells whether a file changed; None where it cannot be read.

    Of a header its content, of a library, which may have a hundred MB, size and time.
    """
    try:
        found = path.stat()
        if path.suffix in (".c", ".h"):
            return _digest(path, found.st_size, found.st_mtime_ns)
    except OSError:
        return None
    return f"{found.st_size} bytes, {found.st_mtime_ns} ns"


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _drop_oldest(place: Path) -> None:
    if sum(1 for _ in place.glob("*.json")) <= _MOST_OBJECTS:
        return
    with suppress(FileNotFoundError):  # another process drops them, too
        for path in _last_used(place)[_MOST_OBJECTS * 3 // 4 :]:
            path.unlink(missing_ok=True)


def _last_used(place: Path) -> list[Path]:
    return sorted(place.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
