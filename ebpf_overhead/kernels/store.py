"""The catalogue on disk: one directory per kernel, which is complete or does not exist.

``kernels/<release>/`` holds ``vmlinuz``, ``config``, ``lib/modules/<release>/…``,
``kernel.json`` (what identifies the kernel), ``origin.json`` (where it came from) and
``SHA256SUMS`` (of every file, in sha256sum(1)'s format).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.record import KernelRecord
from ebpf_overhead.printable import shortened
from ebpf_overhead.reading import read_bytes, read_json, read_text

IMAGE = "vmlinuz"
CONFIG = "config"
RECORD = "kernel.json"
ORIGIN = "origin.json"
SUMS = "SHA256SUMS"
# Of a whole kernel.  Debian's have 100 to 500 MB, with the debugging information of all modules
# it can be 5 GB.
LARGEST_BYTES = 4 << 30
_STAGING = ".new-"
_RETIRED = ".old-"  # A kernel that is being replaced.
_REMOVED = ".gone-"


@dataclass(frozen=True)
class Origin:
    """Where a kernel came from; not part of what identifies it.

    Parameters
    ----------
    trust : str
        Why the files are trusted: ``signed lists``, ``expired signed lists``,
        ``module signatures`` or ``the user's files``.
    places : tuple of str
        Where they came from.
    all_modules : bool
        Whether every module of the package was kept.
    added : str
        When, ISO 8601.
    """

    trust: str
    places: tuple[str, ...]
    all_modules: bool = True
    added: str = ""


def module_folder(base: Path, release: str) -> Path:
    """Return where modules lie under a ``depmod -b`` base."""
    return base / "lib" / "modules" / release


@contextmanager
def staging(kernels: Path, label: str) -> Iterator[Path]:
    """Create a directory to build a kernel in; it is removed at the end.

    What a killed command left there is removed first.  The caller holds the data lock.
    """
    kernels.mkdir(parents=True, exist_ok=True)
    _recover(kernels)
    # Short, because a release can have 64 characters.
    directory = Path(tempfile.mkdtemp(prefix=f"{_STAGING}{label[:16]}-", dir=kernels))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def publish(staged: Path, kernels: Path, record: KernelRecord, origin: Origin) -> Path:
    """Add a staged kernel to the catalogue, in one step.

    Parameters
    ----------
    staged : Path
        From `staging`, with image, configuration and modules in place.
    kernels : Path
        The catalogue.
    record, origin : KernelRecord, Origin
        Written beside the files.

    Raises
    ------
    BadUseError
        When a file's name cannot be written into `SHA256SUMS`.

    Returns
    -------
    Path
        The kernel's directory.
    """
    now = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
    (staged / RECORD).write_text(record.to_json())
    (staged / ORIGIN).write_text(json.dumps({**asdict(origin), "added": now}, indent=2) + "\n")
    sums = checksums(staged)
    if strange := next((name for name in sums if not name.isprintable()), None):
        raise BadUseError(f"a file of {record.release} is called {shortened(strange)!r}")
    (staged / SUMS).write_text("".join(f"{sum_}  {name}\n" for name, sum_ in sums.items()))
    _flush(staged)
    target = kernels / record.release
    retired = kernels / f"{_RETIRED}{record.release}"
    if target.exists():
        target.rename(retired)
    staged.rename(target)
    _flush(kernels)
    shutil.rmtree(retired, ignore_errors=True)
    return target


def remove(kernels: Path, release: str) -> None:
    """Remove an entry; it disappears from the catalogue before its files are deleted."""
    _recover(kernels)
    removed = kernels / f"{_REMOVED}{release}"
    (kernels / release).rename(removed)
    _delete(removed)


def releases(kernels: Path) -> list[str]:
    """Return the names of all entries, unordered.  Each is a release unless it is damaged."""
    if not kernels.is_dir():
        return []
    return [path.name for path in kernels.iterdir() if not path.name.startswith(".")]


def read_origin(directory: Path) -> Origin:
    """Return where a kernel came from.

    Raises
    ------
    FailedError
        When the file is damaged.
    """
    return read_json(directory / ORIGIN, Origin, remedy="remove the kernel and add it again")


def checksums(directory: Path, skip: tuple[str, ...] = (SUMS,)) -> dict[str, str]:
    """Return relative name -> SHA-256 of every file, in the order of the names."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in skip:
            found[name] = file_sha256(path)
    return found


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def tree_sha256(directory: Path) -> str:
    """Return one digest over the names and contents below a directory."""
    lines = [f"{sum_}  {name}\n" for name, sum_ in checksums(directory).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def differences(directory: Path) -> list[str]:
    """Compare a kernel's files with its `SHA256SUMS`.

    Returns
    -------
    list of str
        One line per changed, missing or foreign file; empty if there is none.
    """
    if not (directory / SUMS).is_file():
        return [f"{SUMS} is missing"]
    lines = read_text(directory / SUMS).splitlines()
    expected = {name: sum_ for sum_, _, name in (line.partition("  ") for line in lines)}
    present = checksums(directory)
    problems = [f"{name} is missing" for name in expected.keys() - present.keys()]
    problems += [f"{name} does not belong there" for name in present.keys() - expected.keys()]
    problems += [
        f"{name} changed: SHA-256 {present[name]}, recorded {sum_}"
        for name, sum_ in expected.items()
        if name in present and present[name] != sum_
    ]
    return sorted(problems)


def refuse_other(kernels: Path, record: KernelRecord, replace: bool) -> None:
    """Refuse to replace a kernel by a different one of the same release.

    Raises
    ------
    BadUseError
        When the release exists with other content and `replace` is false.
    """
    present = kernels / record.release / RECORD
    if replace or not present.is_file() or read_bytes(present) == record.to_json().encode():
        return
    raise BadUseError(
        f"{record.release} is already there and differs (build, packages or files)",
        "--replace uses the new one; results of the old one stay on disk without a revision",
    )


def _recover(kernels: Path) -> None:
    """Undo or finish what a killed command began."""
    for retired in kernels.glob(f"{_RETIRED}*"):
        target = kernels / retired.name.removeprefix(_RETIRED)
        if not target.exists():  # Killed before the new one took its place.
            retired.rename(target)
    for prefix in (_STAGING, _RETIRED, _REMOVED):
        for leftover in kernels.glob(f"{prefix}*"):
            _delete(leftover)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _flush(directory: Path) -> None:
    """Bring what was written below `directory` to the disk before a rename shows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # One syncfs() instead of an fsync() for each of about a thousand modules.
        if libc.syncfs(descriptor) != 0:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
