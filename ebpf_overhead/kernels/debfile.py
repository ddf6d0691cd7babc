"""Debian packages: what the control file says, and unpacking a kernel's part of them.

Nothing of a package is run, and of its files only plain ones with expected names are
written, so a package cannot write outside the kernel's directory.  It is read as a bounded
stream: a few bytes can unpack to gigabytes.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import modules, store
from ebpf_overhead.kernels.debstream import opened
from ebpf_overhead.kernels.record import PackageRecord
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.printable import shortened

_PACKAGE = re.compile(r"linux-(image|binary|modules|base)-(?:unsigned-)?(\d.*?)(?:-unsigned)?")
# Up to 6.x the image lies in boot/; 7.x packages have it beside the modules.  usr/ came
# with the merged /usr.
_IMAGE = re.compile(r"boot/vmlinuz-(?P<a>[^/]+)|(?:usr/)?lib/modules/(?P<b>[^/]+)/vmlinuz")
_CONFIG = re.compile(r"boot/config-(?P<a>[^/]+)|(?:usr/)?lib/modules/(?P<b>[^/]+)/config")
_MODULE = re.compile(r"(?:usr/)?lib/modules/(?P<release>[^/]+)/(?P<name>.+)")
_LARGEST_CONTROL_BYTES = 4 << 20
_LARGEST_FILE_BYTES = 256 << 20
_LONGEST_FIELD = 256


@dataclass(frozen=True)
class DebFile:
    """A kernel package on this machine.

    Parameters
    ----------
    path : Path
        The file.
    record : PackageRecord
        Name, version, source and checksum.
    release : str
        The kernel release in the package's name.
    installed_bytes : int
        Size of the unpacked files, as the package states it.
    """

    path: Path
    record: PackageRecord
    release: str
    installed_bytes: int


def release_in_name(package: str) -> str | None:
    """Return the kernel release a package name carries, or None."""
    match = _PACKAGE.fullmatch(package)
    return match[2] if match else None


def inspect(path: Path) -> DebFile:
    """Read a package's control file.

    Raises
    ------
    BadUseError
        When it is not a Debian package of a kernel.
    """
    fields = _control(path)
    release = release_in_name(fields["Package"])
    if release is None:
        raise BadUseError(
            f"{path} is package {fields['Package']!r}, not one of a kernel",
            "give linux-image-…, or linux-binary-…, linux-base-… and linux-modules-…",
        )
    source = fields.get("Source", fields["Package"])
    record = PackageRecord(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        source=source if "(" in source else f"{source} ({fields['Version']})",
        sha256=store.file_sha256(path),
    )
    size = fields.get("Installed-Size", "")
    return DebFile(path, record, release, int(size) * 1024 if re.fullmatch("[0-9]+", size) else 0)


def _control(path: Path) -> Mapping[str, str]:
    from debian.deb822 import Deb822  # Not at the top: it takes long, and few commands need it.

    text = b""
    with opened(path, "--ctrl-tarfile", _LARGEST_CONTROL_BYTES, BadUseError) as archive:
        for member in archive:
            wanted = member.name.removeprefix("./") == "control" and member.isfile()
            if wanted and member.size < _LARGEST_CONTROL_BYTES:
                file = archive.extractfile(member)
                text = file.read() if file else b""
    fields = Deb822(text.decode("utf-8", "replace").splitlines())
    for name in ("Package", "Version", "Architecture", "Source", "Installed-Size"):
        value = fields.get(name, "" if name in ("Source", "Installed-Size") else None)
        if value is None or len(value) > _LONGEST_FIELD or not value.isprintable():
            raise BadUseError(f"{path} is no Debian package: {name} is {shortened(str(value))!r}")
    return fields


def unpack(
    debs: Iterable[DebFile], release: str, target: Path, all_modules: bool, reporter: Reporter
) -> None:
    """Unpack image, configuration and modules of a kernel.

    Parameters
    ----------
    debs : iterable of DebFile
        The packages of one kernel: one, or several.
    release : str
        The kernel's release.
    target : Path
        An empty directory; gets ``vmlinuz``, ``config`` and ``lib/modules/<release>``.
    all_modules : bool
        Keep every module instead of `modules.is_kept`.
    reporter : Reporter
        Receives progress, in bytes of the package.

    Raises
    ------
    FailedError
        When a package is damaged or the kernel in it is not complete.
    """

    def place(name: str) -> Path | None:
        return _destination(name, release, target, all_modules)

    for deb in debs:
        _extract(deb, place, reporter)
    for needed in (store.IMAGE, store.CONFIG):
        if not (target / needed).is_file():
            names = ", ".join(deb.record.name for deb in debs)
            raise FailedError(
                f"{names}: no {needed} of {release} in it",
                f"give every package of the kernel: linux-image-{release}, or linux-binary-, "
                f"linux-base- and linux-modules-{release}",
            )


def _destination(name: str, release: str, target: Path, all_modules: bool) -> Path | None:
    for pattern, plain in ((_IMAGE, store.IMAGE), (_CONFIG, store.CONFIG)):
        match = pattern.fullmatch(name)
        if match and release in (match["a"], match["b"]):
            return target / plain
    match = _MODULE.fullmatch(name)
    if match is None or match["release"] != release or ".." in name:
        return None
    wanted = match["name"].startswith(("kernel/", "modules.")) if all_modules else False
    if wanted or modules.is_kept(match["name"]):
        return store.module_folder(target, release) / match["name"]
    return None


def _extract(deb: DebFile, place: Callable[[str], Path | None], reporter: Reporter) -> None:
    label, total = f"unpacking {deb.record.name}", deb.installed_bytes
    try:
        with opened(deb.path, "--fsys-tarfile", store.LARGEST_BYTES, FailedError) as archive:
            for number, member in enumerate(archive):
                if member.isfile() and (target := place(member.name.removeprefix("./"))):
                    _copy(archive, member, target)
                if number % 64 == 0:
                    reporter.progress(label, member.offset_data + member.size, total)
    except OSError as error:
        raise FailedError(f"{deb.path} cannot be unpacked: {error.strerror or error}") from None
    reporter.progress(label, total, total)


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.issparse() or member.size > _LARGEST_FILE_BYTES or not member.name.isprintable():
        raise FailedError(
            f"{shortened(member.name)} in the package is refused: {member.size:,} bytes"
            f"{' with holes' if member.issparse() else ''}",
            "get the package again: no kernel has such a file",
        )
    content = archive.extractfile(member)
    assert content is not None  # It is a file.
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
