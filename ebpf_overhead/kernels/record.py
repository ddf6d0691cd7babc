"""`kernel.json`: what identifies a kernel, the same text on every machine.

The text is the content of the kernel's commit, so it holds nothing of this machine: no
path, no mirror, no date of the download.  Those are in `origin.json` beside it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.kernels.versions import check_release, is_named, series, version_key
from ebpf_overhead.reading import convert, parse_json

if TYPE_CHECKING:
    from debian.debian_support import NativeVersion

SCHEMA = 1
SOURCES = ("debian", "files", "tree", "running")


@dataclass(frozen=True)
class PackageRecord:
    """A binary package a kernel came from.

    Parameters
    ----------
    name, version, architecture : str
        As in the package's control file.
    source : str
        Source package and its version, ``linux-signed-amd64 (6.12.117+1)``.
    sha256 : str
        Of the package file.
    """

    name: str
    version: str
    architecture: str
    source: str
    sha256: str


@dataclass(frozen=True)
class KernelRecord:
    """The content of `kernel.json`.

    Parameters
    ----------
    release : str
        As ``uname -r`` prints it; directory name and git tag.
    version : str
        Orders the kernels: the package's version, or the release without a package.
    arch : str
        As ``uname -m`` prints it.
    build : str
        As ``uname -v`` prints it.
    built_at_s : int or None
        Build date in seconds since the epoch; None when the build string has none.
    source : str
        One of `SOURCES`.
    packages : tuple of PackageRecord
        Empty unless `source` is ``debian``.
    sha256 : dict
        Checksums: ``vmlinuz``, ``config``, and for `source` ``files`` also ``modules`` (a
        digest over the folder).
    config_digest : str or None
        Of the options set (`kconfig.digest`).
    features : dict
        `kconfig.features`; empty when the configuration is not known.
    """

    release: str
    version: str
    arch: str
    build: str
    built_at_s: int | None
    source: str
    packages: tuple[PackageRecord, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)
    config_digest: str | None = None
    features: dict[str, str] = field(default_factory=dict)

    @property
    def series(self) -> str:
        """The series, ``6.12``."""
        return series(self.version)

    def is_called(self, wanted: str) -> bool:
        """Whether a release, a version or a series names this kernel; see `is_named`."""
        return is_named(self.release, self.version, self.arch, wanted)

    @property
    def order(self) -> tuple[NativeVersion, NativeVersion]:
        """Sort key: version order, then the release (another flavour or architecture)."""
        return version_key(self.version), version_key(self.release)

    @property
    def built_on(self) -> str:
        """The build date, ``2026-11-15``, or ``unknown``."""
        if self.built_at_s is None:
            return "unknown"
        return datetime.fromtimestamp(self.built_at_s, tz=timezone.utc).strftime("%Y-%m-%d")

    def to_json(self) -> str:
        """Return the file's text; equal records give equal bytes."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n"


def from_json(content: bytes, where: str) -> KernelRecord:
    """Read a record back.

    Parameters
    ----------
    content : bytes
        What `KernelRecord.to_json` wrote.
    where : str
        Named in the error.

    Raises
    ------
    FailedError
        When the text is damaged, or of another schema.
    """
    remedy = "remove the kernel and add it again"
    values = parse_json(content, dict[str, Any], where, remedy=remedy)
    if (schema := values.get("schema")) != SCHEMA:
        raise FailedError(f"{where} has schema {schema!r}, not {SCHEMA}", "update this program")
    record = convert(values, KernelRecord, where, remedy=remedy)
    try:
        check_release(record.release)
        _ = record.order, record.built_on
    except (OverheadError, ValueError, OverflowError, OSError) as error:
        raise FailedError(f"{where} cannot be used: {error}", remedy) from None
    return record
