"""Unpacking what kernels and their modules are packed with: gzip, xz and zstd, bounded."""

from __future__ import annotations

import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from ebpf_overhead.errors import FailedError

# What the kernel's own build needs for xz, several times over (scripts/xz_wrap.sh).
_XZ_MEMORY_BYTES = 512 << 20


class _Unpacker(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed stream was reached."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many bytes."""


def _zstd() -> _Unpacker:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor()


# The first bytes of a packed stream -> what unpacks it.
_FORMATS: dict[bytes, tuple[str, Callable[[], _Unpacker]]] = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(wbits=31)),
    b"\xfd7zXZ\0": ("xz", lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}


def unpack(packed: bytes, what: str, limit_bytes: int) -> bytes:
    """Return what is packed; what does not begin like a packed stream is returned as it is.

    Parameters
    ----------
    packed : bytes
        A stream of gzip, xz or zstd; what follows it is ignored.
    what : str
        What it is, for messages: ``the kernel in vmlinuz``.
    limit_bytes : int
        More than this is refused, before it takes memory: a few megabytes of zeros packed
        can be gigabytes.

    Raises
    ------
    FailedError
        When it is damaged, not complete, or too large.
    """
    for magic, (name, make) in _FORMATS.items():
        if not packed.startswith(magic):
            continue
        unpacker = make()
        try:
            content = unpacker.decompress(packed, limit_bytes + 1)
        except Exception as error:  # Each library has errors of its own, not all documented.
            raise FailedError(f"{name} cannot unpack {what}: {error}", "get it again") from None
        if len(content) > limit_bytes:
            raise FailedError(f"{what} is not unpacked: it has more than {limit_bytes:,} bytes")
        if not unpacker.eof:
            raise FailedError(f"{name} cannot unpack {what}: its end is missing", "get it again")
        return content
    return packed
