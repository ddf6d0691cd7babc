"""What QEMU is given to boot."""

from __future__ import annotations

import gzip
import struct

import pytest

from ebpf_overhead.guest.errors import GuestBootError
from ebpf_overhead.guest.image import bootable


def arm64_kernel(size_bytes=4096):
    """A kernel with one section, which ends where the file does."""
    content = bytearray(size_bytes)
    content[0:2], content[56:60] = b"MZ", b"ARM\x64"
    struct.pack_into("<I", content, 0x3C, 64)
    content[64:68] = b"PE\0\0"
    struct.pack_into("<H", content, 70, 1)
    struct.pack_into("<II", content, 64 + 24 + 16, size_bytes - 1024, 1024)
    return bytes(content)


def zboot(packed):
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + b"\0" * 48 + packed


def test_kernel_of_arm64_is_booted_as_it_is(tmp_path):
    path = tmp_path / "vmlinuz"
    path.write_bytes(arm64_kernel())
    assert bootable(path, tmp_path) == path


@pytest.mark.parametrize("pack", [gzip.compress, lambda kernel: zboot(gzip.compress(kernel))])
def test_packed_kernel_of_arm64_is_unpacked(tmp_path, pack):
    path = tmp_path / "vmlinuz"
    path.write_bytes(pack(arm64_kernel()))
    unpacked = bootable(path, tmp_path)
    assert unpacked != path
    assert unpacked.read_bytes() == arm64_kernel()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (arm64_kernel()[:-1], "damaged"),
        (gzip.compress(arm64_kernel()[:-1]), "damaged"),
        (gzip.compress(arm64_kernel())[:-20], "vmlinuz"),
        (b"no kernel at all" * 100, "no bzImage and no kernel of arm64"),
        (b"", "no bzImage and no kernel of arm64"),
    ],
    ids=["cut off", "cut off in the packing", "packing cut off", "text", "empty"],
)
def test_what_is_not_whole_is_not_booted(tmp_path, content, why):
    path = tmp_path / "vmlinuz"
    path.write_bytes(content)
    with pytest.raises(GuestBootError, match=why):
        bootable(path, tmp_path)
