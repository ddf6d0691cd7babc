"""The catalogue on disk: one directory a kernel, complete or not there at all.

``kernels/<release>/`` holds ``vmlinuz``, ``config``, ``lib/modules/<release>/…``,
``kernel.json`` (what identifies the kernel), ``origin.json`` (how it came here) and
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

IMAGE = "vmlinuz"
CONFIG = "config"
RECORD = "kernel.json"
ORIGIN = "origin.json"
SUMS = "SHA256SUMS"
_STAGING = ".new-"
_RETIRED = ".old-"  # A kernel that is being replaced.
_REMOVED = ".gone-"


@dataclass(frozen=True)
class Origin:
    """How a kernel came to this machine; not part of what identifies it.

    Parameters
    ----------
    trust : str
        What vouches for the files: ``signed lists``, ``expired signed lists``,
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
    """Give a directory beside the kernels to build one in; it is removed at the end.

    What a killed command left behind is removed first; the caller holds the data lock.
    """
    kernels.mkdir(parents=True, exist_ok=True)
    _recover(kernels)
    # Short: git and tar both dislike long names, and a release can have 64 characters.
    directory = Path(tempfile.mkdtemp(prefix=f"{_STAGING}{label[:16]}-", dir=kernels))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def publish(staged: Path, kernels: Path, record: KernelRecord, origin: Origin) -> Path:
    """Turn a staged kernel into a kernel of the catalogue, in one step.

    Parameters
    ----------
    staged : Path
        From `staging`, with image, configuration and modules in place.
    kernels : Path
        The catalogue.
    record, origin : KernelRecord, Origin
        Written beside the files.

    Returns
    -------
    Path
        The kernel's directory.
    """
    now = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
    (staged / RECORD).write_text(record.to_json())
    (staged / ORIGIN).write_text(json.dumps({**asdict(origin), "added": now}, indent=2) + "\n")
    sums = "".join(f"{sum_}  {name}\n" for name, sum_ in checksums(staged).items())
    (staged / SUMS).write_text(sums)
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
    """Remove a kernel's directory: it is gone from the catalogue before it is emptied."""
    removed = kernels / f"{_REMOVED}{release}"
    (kernels / release).rename(removed)
    shutil.rmtree(removed)


def releases(kernels: Path) -> list[str]:
    """Return the releases that have a directory, unordered."""
    if not kernels.is_dir():
        return []
    return [path.name for path in kernels.iterdir() if not path.name.startswith(".")]


def read_origin(directory: Path) -> Origin:
    """Return how a kernel came here."""
    values = json.loads((directory / ORIGIN).read_text())
    return Origin(**{**values, "places": tuple(values["places"])})


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
        One line per changed, missing or foreign file; empty when all is well.
    """
    if not (directory / SUMS).is_file():
        return [f"{SUMS} is missing"]
    lines = (directory / SUMS).read_text().splitlines()
    expected = {name: sum_ for sum_, name in (line.split("  ", 1) for line in lines)}
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
    """Refuse to put a different kernel in a release's place unasked.

    Raises
    ------
    BadUseError
        When the release is there with other content and `replace` is false.
    """
    present = kernels / record.release / RECORD
    if replace or not present.is_file() or present.read_text() == record.to_json():
        return
    raise BadUseError(
        f"{record.release} is already there and differs (build, packages or files)",
        "--replace takes the new one: results of the old one stay on disk, but belong to no "
        "revision any more",
    )


def _recover(kernels: Path) -> None:
    """Undo or finish what a killed command had begun."""
    for retired in kernels.glob(f"{_RETIRED}*"):
        target = kernels / retired.name.removeprefix(_RETIRED)
        if not target.exists():  # Killed before the new one took its place.
            retired.rename(target)
    for prefix in (_STAGING, _RETIRED, _REMOVED):
        for leftover in kernels.glob(f"{prefix}*"):
            shutil.rmtree(leftover)


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
