"""Saved states: guests as they are when they are ready to be told what they see.

Restoring one takes a quarter of a second where booting takes ten.  A file holds a line of JSON,
which says what the guest was made from, and then what QEMU wrote.  Its name says for what it was
saved and what is in it, so whatever changed or was damaged is found before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs.store import fingerprint
from ebpf_overhead.trust import refuse_foreign

# A state has about 100 MB; each kernel has up to three, by what its guests are for.
MOST_BYTES = 4 << 30
_CHUNK_BYTES = 1 << 20


def key_of(parts: object) -> str:
    """Return what a state is kept under, by all that decides how a guest comes up."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def fingerprints(paths: Iterable[str]) -> dict[str, str | None]:
    """Return what tells whether any of the files changed that a guest is made from."""
    return {path: fingerprint(Path(path)) for path in paths}


class SavedState:
    """A saved state, open to be restored from.

    Attributes
    ----------
    descriptor : int
        Of the file, from which QEMU reads on.
    boot_program : str
        What the guest was booted by; see `ebpf_overhead.guest.command.boot_program`.
    """

    def __init__(self, path: Path, descriptor: int, boot_program: str) -> None:
        self.descriptor = descriptor
        self.boot_program = boot_program
        self._path = path
        self._digest = ""
        # While QEMU starts and reads the same.
        copy = os.dup(descriptor)
        self._reader = threading.Thread(target=self._read, args=[copy], name="digest", daemon=True)
        self._reader.start()

    @property
    def intact(self) -> bool:
        """Whether the file holds what was written to it."""
        self._reader.join()
        return self._path.name.endswith(f"-{self._digest}")

    def discard(self) -> None:
        """Remove the file: no guest comes up from it."""
        self._path.unlink(missing_ok=True)

    def _read(self, descriptor: int) -> None:
        try:
            self._digest = _digest(descriptor)
        finally:
            os.close(descriptor)


def find(place: Path, key: str) -> SavedState | None:
    """Return a state that fits; those that do not fit any more are removed.

    Parameters
    ----------
    place : Path
        Directory of the states of a kernel.
    key : str
        From `key_of`.
    """
    for path in place.glob(f"{key}-*"):
        with suppress(OSError, BadUseError, ValueError, TypeError):
            refuse_foreign(path)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                boot_program, made_from = _read_head(descriptor)
                if fingerprints(made_from) == made_from:
                    os.utime(path)  # Those that are not used are the first to go.
                    return SavedState(path, os.dup(descriptor), boot_program)
            finally:
                os.close(descriptor)
        with suppress(OSError):
            path.unlink()
    return None


def _read_head(descriptor: int) -> tuple[str, dict[str, str | None]]:
    with open(descriptor, "rb", closefd=False) as file:
        line = file.readline()
    os.lseek(descriptor, len(line), os.SEEK_SET)  # QEMU reads on from here.
    boot_program, made_from = json.loads(line)
    return boot_program, dict(made_from)


class Saving:
    """A state that is being saved; nobody sees it before it is whole, and a crash leaves nothing.

    Parameters
    ----------
    place : Path
        Directory of the states of a kernel.
    key : str
        From `key_of`.
    boot_program : str
        What the guest is booted by.
    made_from : mapping
        From `fingerprints`.

    Attributes
    ----------
    descriptor : int
        Of the file, to which QEMU writes.

    Raises
    ------
    OSError
        The file system is full, or cannot be written to, or has no files without a name.
    BadUseError
        Another user could have written there.
    """

    def __init__(
        self, place: Path, key: str, boot_program: str, made_from: Mapping[str, str | None]
    ) -> None:
        self._place, self._key = place, key
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_foreign(place)
        self.descriptor = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o600)
        with open(self.descriptor, "wb", closefd=False) as file:
            file.write(json.dumps([boot_program, made_from]).encode() + b"\n")

    def publish(self) -> None:
        """Show the state to others, in place of older ones for the same.

        Raises
        ------
        OSError
            The file system is full, or cannot be written to.
        """
        os.fsync(self.descriptor)
        target = self._place / f"{self._key}-{_digest(self.descriptor)}"
        with suppress(FileExistsError):
            # Python calls linkat(2), which follows links, where it is given a descriptor.
            own = f"/proc/self/fd/{self.descriptor}"
            os.link(own, target, src_dir_fd=self.descriptor, follow_symlinks=True)
        for path in self._place.glob(f"{self._key}-*"):
            if path != target:
                path.unlink(missing_ok=True)
        _drop_oldest(self._place.parent)


def _digest(descriptor: int) -> str:
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, at):  # It leaves QEMU's place alone.
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()


def _drop_oldest(place: Path) -> None:
    with suppress(FileNotFoundError):  # Another process drops them, too.
        states = {path: path.stat() for path in place.glob("*/*")}
        left_bytes = sum(status.st_size for status in states.values())
        for path, status in sorted(states.items(), key=lambda each: each[1].st_mtime):
            if left_bytes <= MOST_BYTES:
                return
            path.unlink(missing_ok=True)
            left_bytes -= status.st_size
