"""What a kernel image says about itself: release, build string and build date.

The version string of an x86 image is found through the boot protocol's
``kernel_version`` field (Documentation/arch/x86/boot.rst, offset 0x20e); every other
image is unpacked and searched for the banner the kernel prints first.
"""

from __future__ import annotations

import gzip
import lzma
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ebpf_overhead import zstd
from ebpf_overhead.errors import BadUseError, FailedError

_X86_MAGIC = (0x202, b"HdrS")
_ARM64_MAGIC = (0x38, b"ARM\x64")
_ZBOOT_MAGIC = (4, b"zimg")
# Since 6.2 an image can also hold a first draft of its banner, with "#" but no build number
# (init/version.c, overridden by init/version-timestamp.c).
_BANNER = re.compile(rb"Linux version (\S+) \([^\n\0]*? (#\d[^\n\0]+)[\n\0]")
_DATE = re.compile(r"\((\d{4})-(\d\d)-(\d\d)\)$")
_CLOCK_DATE = re.compile(
    r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d+) (?P<time>\d\d:\d\d:\d\d) \S+ (?P<year>\d{4})$"
)


@dataclass(frozen=True)
class Banner:
    """What an image says about itself.

    Parameters
    ----------
    release : str
        As ``uname -r`` prints it.
    build : str
        As ``uname -v`` prints it: ``#1 SMP … (2026-11-15)``.
    arch : str
        As ``uname -m`` prints it.
    """

    release: str
    build: str
    arch: str


def read_banner(path: Path) -> Banner:
    """Read the release and the build string out of a kernel image.

    Parameters
    ----------
    path : Path
        A ``vmlinuz``, ``bzImage``, ``Image``, ``Image.gz`` or EFI zboot image.

    Raises
    ------
    BadUseError
        When the file is no kernel image that can be read.
    """
    image = path.read_bytes()
    if _has(image, _X86_MAGIC):
        return _x86_banner(image, path)
    kernel = _unpacked(image)
    found = _BANNER.search(kernel)
    if found is None:
        raise BadUseError(
            f"{path}: neither a bzImage nor an image with a kernel banner",
            "give a vmlinuz, bzImage or Image file",
        )
    arch = "aarch64" if _has(kernel, _ARM64_MAGIC) else "unknown"
    return Banner(found[1].decode(), found[2].decode().rstrip(), arch)


def read_vmlinux(path: Path) -> bytes:
    """Return the unpacked kernel inside an image.

    Raises
    ------
    FailedError
        When it is packed in a way that is not known here.
    """
    image = path.read_bytes()
    if not _has(image, _X86_MAGIC):
        return _unpacked(image)
    # boot.rst: payload_offset counts from the end of the real-mode part, whose size in
    # 512-byte sectors is at 0x1f1 (0 means 4).  The last 4 bytes are the unpacked size.
    start = ((image[0x1F1] or 4) + 1) * 512 + _u32(image, 0x248)
    packed = image[start : start + _u32(image, 0x24C)]
    if packed.startswith(b"\x1f\x8b"):
        return _unpacked(packed)
    return _unpacked(packed[:-4])


def build_time(build: str) -> int | None:
    """Return when a kernel was built, from its build string.

    Parameters
    ----------
    build : str
        ``… Debian 7.3.4-1 (2026-11-15)`` or ``… Mon Nov 23 23:00:00 UTC 2026``.

    Returns
    -------
    int or None
        Seconds since the epoch (UTC; a zone name other than UTC is ignored, so half a
        day's error is possible); None when the string has no date, as reproducible
        builds may not.
    """
    if date := _DATE.search(build):
        year, month, day = map(int, date.groups())
        return int(datetime(year, month, day, tzinfo=timezone.utc).timestamp())
    if clock := _CLOCK_DATE.search(build):
        text = "{month} {day} {year} {time}".format(**clock.groupdict())
        moment = datetime.strptime(text, "%b %d %Y %H:%M:%S")
        return int(moment.replace(tzinfo=timezone.utc).timestamp())
    return None


def _x86_banner(image: bytes, path: Path) -> Banner:
    start = struct.unpack_from("<H", image, 0x20E)[0] + 0x200
    text = image[start : start + 512].split(b"\0")[0].decode("ascii", "replace")
    release, _, rest = text.partition(" ")
    build = rest[rest.find("#") :]
    if not release or "#" not in rest:
        raise BadUseError(
            f"{path}: bzImage whose version string reads {text[:60]!r}",
            "give an image that has one, or a package",
        )
    # xloadflags bit 0: the kernel has a 64-bit entry point.
    arch = "x86_64" if struct.unpack_from("<H", image, 0x236)[0] & 1 else "i386"
    return Banner(release, build, arch)


def _has(image: bytes, magic: tuple[int, bytes]) -> bool:
    offset, wanted = magic
    return image[offset : offset + len(wanted)] == wanted


def _u32(image: bytes, offset: int) -> int:
    value: int = struct.unpack_from("<I", image, offset)[0]
    return value


def _unpacked(image: bytes) -> bytes:
    if _has(image, _ZBOOT_MAGIC):
        # drivers/firmware/efi/libstub/zboot-header.S: payload offset and size.
        start, size = _u32(image, 8), _u32(image, 12)
        return _unpacked(image[start : start + size])
    for magic, unpack in _UNPACKERS.items():
        if image.startswith(magic):
            return unpack(image)
    return image


def _gunzip(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(packed)  # Ignores what follows the stream.
    except (zlib.error, gzip.BadGzipFile) as error:
        raise FailedError(f"gzip part of a kernel image: {error}", "get the image again") from None


def _unxz(packed: bytes) -> bytes:
    try:
        return lzma.LZMADecompressor().decompress(packed)
    except lzma.LZMAError as error:
        raise FailedError(f"xz part of a kernel image: {error}", "get the image again") from None


_UNPACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": _gunzip,
    b"\xfd7zXZ\0": _unxz,
    b"\x28\xb5\x2f\xfd": lambda packed: zstd.unpack(packed, "a kernel image"),
}
