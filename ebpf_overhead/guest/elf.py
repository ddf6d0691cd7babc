"""The little of ELF that matters here: how a kernel can be entered, and if a program is static."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PT_INTERP = 3
_PT_NOTE = 4
# Xen's note that names the 32-bit entry point of the PVH boot protocol
# (xen/include/public/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY), which QEMU follows.
_PHYS32_ENTRY = 18


def is_whole(image: bytes) -> bool:
    """Return whether an image is a 64-bit little-endian ELF file with all of its segments."""
    try:
        return all(offset + size <= len(image) for _, offset, size in _segments(image))
    except (ValueError, OverflowError, struct.error):
        return False


def is_static(image: bytes) -> bool:
    """Return whether an ELF program runs without a dynamic loader."""
    return is_whole(image) and all(kind != _PT_INTERP for kind, _, _ in _segments(image))


def loader(image: bytes) -> str | None:
    """Return the path of a program's dynamic loader, None for a static one."""
    for kind, offset, size in _segments(image):
        if kind == _PT_INTERP:
            return image[offset : offset + size].rstrip(b"\0").decode()
    return None


def has_pvh_entry(image: bytes) -> bool:
    """Return whether an uncompressed kernel can be entered directly, by the PVH protocol."""
    for kind, offset, size in _segments(image):
        if kind == _PT_NOTE and _has_note(image[offset : offset + size]):
            return True
    return False


def _segments(image: bytes) -> Iterator[tuple[int, int, int]]:
    # (type, offset, size in the file) of each program header.
    if image[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    start, entry_bytes, count = (
        struct.unpack_from("<Q", image, 32)[0],
        *struct.unpack_from("<HH", image, 54),
    )
    for index in range(count):
        kind, _, offset, _, _, size = struct.unpack_from(
            "<IIQQQQ", image, start + index * entry_bytes
        )
        yield kind, offset, size


def _has_note(notes: bytes) -> bool:
    at = 0
    while at + 12 <= len(notes):
        name_bytes, data_bytes, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12 : at + 12 + name_bytes]
        if name == b"Xen\0" and kind == _PHYS32_ENTRY:
            return True
        at += 12 + (name_bytes + 3) // 4 * 4 + (data_bytes + 3) // 4 * 4
    return False
