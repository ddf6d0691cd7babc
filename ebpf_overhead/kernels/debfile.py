"""Debian packages: what the control file says, and unpacking a kernel's part of them.

Nothing of a package is run, and of its files only plain ones with expected names are
written, so a package cannot write outside the kernel's directory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError
from ebpf_overhead.kernels import modules, store
from ebpf_overhead.kernels.record import PackageRecord
from ebpf_overhead.kernels.reporting import Reporter

_PACKAGE = re.compile(r"linux-(image|binary|modules|base)-(?:unsigned-)?(\d.*?)(?:-unsigned)?")
# Up to 6.x the image lies in boot/; 7.x packages have it beside the modules.  usr/ came
# with the merged /usr.
_IMAGE = re.compile(r"boot/vmlinuz-(?P<a>[^/]+)|(?:usr/)?lib/modules/(?P<b>[^/]+)/vmlinuz")
_CONFIG = re.compile(r"boot/config-(?P<a>[^/]+)|(?:usr/)?lib/modules/(?P<b>[^/]+)/config")
_MODULE = re.compile(r"(?:usr/)?lib/modules/(?P<release>[^/]+)/(?P<name>.+)")


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
    """

    path: Path
    record: PackageRecord
    release: str


def release_in_name(package: str) -> str | None:
    """Return the kernel release a package name carries, or None."""
    match = _PACKAGE.fullmatch(package)
    return match[2] if match else None


def inspect(path: Path) -> DebFile:
    """Read a package's control file.

    Raises
    ------
    BadUseError
        When it is no Debian package, or none of a kernel.
    """
    text = _dpkg_deb("--field", path).decode("utf-8", "replace")
    fields: dict[str, str] = dict(re.findall(r"^([\w-]+): (.*)$", text, re.MULTILINE))
    release = release_in_name(fields.get("Package", ""))
    if release is None:
        raise BadUseError(
            f"{path} is package {fields.get('Package')!r}, not one of a kernel",
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
    return DebFile(path, record, release)


def unpack(
    debs: Iterable[DebFile], release: str, target: Path, all_modules: bool, reporter: Reporter
) -> None:
    """Unpack image, configuration and modules of a kernel.

    Parameters
    ----------
    debs : iterable of DebFile
        One package, or the several one kernel is split into.
    release : str
        The kernel's release.
    target : Path
        An empty directory; gets ``vmlinuz``, ``config`` and ``lib/modules/<release>``.
    all_modules : bool
        Keep every module instead of `modules.is_kept`.
    reporter : Reporter
        Told how far unpacking is, in bytes of the package.

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
    label = f"unpacking {deb.record.name}"
    process = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    total = _installed_bytes(deb.path)
    try:
        _copy_members(process.stdout, place, lambda done: reporter.progress(label, done, total))
    except (tarfile.TarError, EOFError) as error:
        raise FailedError(f"{deb.path} is damaged: {error}", "delete it and add it again") from None
    finally:
        process.stdout.close()
        status = process.wait()
    if status != 0:
        raise FailedError(f"{deb.path}: dpkg-deb: status {status}", "delete it and add it again")
    reporter.progress(label, total, total)


def _copy_members(
    stream: IO[bytes], place: Callable[[str], Path | None], advance: Callable[[int], None]
) -> None:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            target = place(member.name.removeprefix("./")) if member.isfile() else None
            content = archive.extractfile(member) if target else None
            if target is not None and content is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
            if number % 64 == 0:
                advance(member.offset_data + member.size)
    # dpkg-deb must be able to write the padding at the end, or it dies of SIGPIPE.
    while stream.read(1 << 16):
        pass


def _installed_bytes(path: Path) -> int:
    text = _dpkg_deb("--field", path, "Installed-Size").decode().strip()
    return int(text or 0) * 1024


def _dpkg_deb(action: str, path: Path, *fields: str) -> bytes:
    try:
        done = subprocess.run(
            ["dpkg-deb", action, str(path), *fields], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise MissingToolError("dpkg-deb is not installed", "install the package dpkg") from None
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BadUseError(f"{path} is no Debian package: {message[-1] if message else ''}")
    return done.stdout
