"""What a kernel image says about itself: release, build string and build date.

The boot protocol's ``kernel_version`` field leads to the version string of an x86 image
(Documentation/arch/x86/boot.rst, offset 0x20e).  Every other image is unpacked, and the
banner that the kernel prints first is searched in it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.unpacking import unpack
from ebpf_overhead.printable import shortened
from ebpf_overhead.reading import read_bytes

_X86_MAGIC = (0x202, b"HdrS")
_X86_HEADER_BYTES = 0x268  # All fields that are read here, up to boot.rst's handover_offset.
_ARM64_MAGIC = (0x38, b"ARM\x64")
_ZBOOT_MAGIC = (4, b"zimg")
# Debian's kernels have about 10 MiB, and 60 to 90 unpacked.
_LARGEST_IMAGE_BYTES = 256 << 20
_LARGEST_KERNEL_BYTES = 256 << 20
# Since 6.2 an image can also hold a first draft of its banner, with "#" but no build number
# (init/version.c, overridden by init/version-timestamp.c).
_BANNER = re.compile(rb"Linux version (\S{1,64}) \([^\n\0]{0,1024}? (#\d[^\n\0]{1,256})[\n\0]")
# A kernel has a few.  Their length and number are bounded, so that no search takes for ever.
_MOST_BANNERS = 1000
_DATE = re.compile(r"\((\d{4}-\d\d-\d\d)\)$")
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
        When the file is not a kernel image that can be read.
    FailedError
        When what is packed in it is damaged or too large.
    """
    image = _read(path)
    if _has(image, _X86_MAGIC):
        return _x86_banner(image, path)
    kernel = _unpacked(image, path)
    begins = islice(re.finditer(b"Linux version ", kernel), _MOST_BANNERS)
    found = next(filter(None, (_BANNER.match(kernel, each.start()) for each in begins)), None)
    if found is None:
        raise BadUseError(
            f"{path}: neither a bzImage nor an image with a kernel banner",
            "give a vmlinuz, bzImage or Image file",
        )
    arch = "aarch64" if _has(kernel, _ARM64_MAGIC) else "unknown"
    release, build = (each.decode("ascii", "replace") for each in found.groups())
    return Banner(release, build.rstrip(), arch)


def read_vmlinux(path: Path) -> bytes:
    """Return the unpacked kernel inside an image.

    Raises
    ------
    BadUseError
        When the file cannot be read or is not whole.
    FailedError
        When what is packed in it is damaged or too large.
    """
    image = _read(path)
    if not _has(image, _X86_MAGIC):
        return _unpacked(image, path)
    # boot.rst: payload_offset counts from the end of the real-mode part, whose size in
    # 512-byte sectors is at 0x1f1 (0 means 4).
    start = ((image[0x1F1] or 4) + 1) * 512 + _u32(image, 0x248)
    packed = image[start : start + _u32(image, 0x24C)]
    return _unpacked(packed, path)


def is_arm64(kernel: bytes) -> bool:
    """Whether an unpacked kernel is one of arm64."""
    return _has(kernel, _ARM64_MAGIC)


def is_whole_arm64(kernel: bytes) -> bool:
    """Whether a kernel of arm64 has all of its sections, as its PE header lists them.

    The header of the boot protocol counts memory that is not in the file, too
    (Documentation/arch/arm64/booting.rst).  A kernel without CONFIG_EFI has no PE header.
    """
    start = _u32(kernel, 0x3C)
    if start == 0:
        return len(kernel) > 64
    if not _has(kernel, (start, b"PE\0\0")):
        return False
    sections, optional_bytes = (
        int.from_bytes(kernel[start + at :][:2], "little") for at in (6, 20)
    )
    table = start + 24 + optional_bytes
    ends = [
        _u32(kernel, at + 16) + _u32(kernel, at + 20)  # SizeOfRawData, PointerToRawData
        for at in range(table, table + 40 * sections, 40)
    ]
    return bool(ends) and len(kernel) >= max(table + 40 * sections, *ends)


def build_time(build: str) -> int | None:
    """Return when a kernel was built, from its build string.

    Parameters
    ----------
    build : str
        ``… Debian 7.3.4-1 (2026-11-15)`` or ``… Mon Nov 23 23:00:00 UTC 2026``.

    Returns
    -------
    int or None
        Seconds since the epoch.  Time zones other than UTC are ignored, which can be wrong
        by half a day.  None when the string has no date, as in some reproducible builds.
    """
    if date := _DATE.search(build):
        text, form = date[1], "%Y-%m-%d"
    elif clock := _CLOCK_DATE.search(build):
        text, form = "{month} {day} {year} {time}".format(**clock.groupdict()), "%b %d %Y %H:%M:%S"
    else:
        return None
    try:
        return int(datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp())
    except ValueError:  # No month has 32 days.
        return None


def _read(path: Path) -> bytes:
    image = read_bytes(path, limit_bytes=_LARGEST_IMAGE_BYTES, error=BadUseError)
    if _has(image, _X86_MAGIC) and len(image) < _X86_HEADER_BYTES:
        raise BadUseError(f"{path}: only {len(image)} bytes of a bzImage", "get it again")
    return image


def _x86_banner(image: bytes, path: Path) -> Banner:
    start = struct.unpack_from("<H", image, 0x20E)[0] + 0x200
    text = image[start : start + 512].split(b"\0")[0].decode("ascii", "replace")
    release, _, rest = text.partition(" ")
    build = rest[rest.find("#") :]
    if not release or "#" not in rest:
        raise BadUseError(
            f"{path}: bzImage whose version string reads {shortened(text, 60)!r}",
            "give an image that has one, or a package",
        )
    # xloadflags bit 0: the kernel has a 64-bit entry point.
    arch = "x86_64" if struct.unpack_from("<H", image, 0x236)[0] & 1 else "i386"
    return Banner(release, build, arch)


def _has(image: bytes, magic: tuple[int, bytes]) -> bool:
    offset, wanted = magic
    return image[offset : offset + len(wanted)] == wanted


def _u32(image: bytes, offset: int) -> int:
    return int.from_bytes(image[offset : offset + 4], "little")


def _unpacked(image: bytes, path: Path) -> bytes:
    if _has(image, _ZBOOT_MAGIC):
        # drivers/firmware/efi/libstub/zboot-header.S: payload offset and size.
        start, size = _u32(image, 8), _u32(image, 12)
        image = image[start : start + size]
    return unpack(image, f"the kernel in {path.name}", _LARGEST_KERNEL_BYTES)
