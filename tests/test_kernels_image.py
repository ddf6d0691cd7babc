import gzip
import lzma
import shutil
import struct
import subprocess

import pytest
from kernels_fakes import build_string, bzimage

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels.image import build_time, read_banner, read_vmlinux

KERNEL = (
    b"\0" * 56
    + b"ARM\x64"
    + b"\0" * 4096
    + b"Linux version 6.12.1-arm64 (builder@host) (gcc 14.2) # SMP Debian 6.12.1-1 (draft)\n\0"
    + b"Linux version 6.12.1-arm64 (builder@host) (gcc (Debian 14) 14.2, GNU ld 2.44) "
    + b"#1 SMP Debian 6.12.1-1 (2025-03-04)\n\0"
    + b"\0" * 512
)


def write(path, content):
    path.write_bytes(content)
    return path


def packed_bzimage(payload):
    """An x86 image whose boot header points at a packed kernel."""
    image = bytearray(bzimage("6.1.0", build_string())) + payload
    struct.pack_into("<I", image, 0x248, 4096 - 5 * 512)
    struct.pack_into("<I", image, 0x24C, len(payload))
    return bytes(image)


def zboot(packed):
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + b"\0" * 48 + packed


def test_banner_of_an_x86_image(tmp_path):
    path = write(tmp_path / "vmlinuz", bzimage("6.12.117+deb13-amd64", build_string("2026-11-12")))
    banner = read_banner(path)
    assert banner.release == "6.12.117+deb13-amd64"
    assert banner.build == "#1 SMP PREEMPT_DYNAMIC Debian 1 (2026-11-12)"
    assert banner.arch == "x86_64"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda k: zboot(gzip.compress(k))])
def test_banner_of_an_arm64_image(tmp_path, pack):
    banner = read_banner(write(tmp_path / "Image", pack(KERNEL)))
    assert banner.release == "6.12.1-arm64"
    assert banner.build == "#1 SMP Debian 6.12.1-1 (2025-03-04)"
    assert banner.arch == "aarch64"


def test_no_image(tmp_path):
    with pytest.raises(BadUseError, match="neither a bzImage nor an image with a kernel banner"):
        read_banner(write(tmp_path / "notes", b"Linux is nice\n" * 100))


def test_image_without_a_version_string(tmp_path):
    image = bytearray(bzimage("6.1.0", build_string()))
    image[0x600:0x700] = bytes(0x100)
    with pytest.raises(BadUseError, match="version string reads ''"):
        read_banner(write(tmp_path / "vmlinuz", bytes(image)))


def test_truncated_image_is_an_error_that_names_it(tmp_path):
    whole = bzimage("6.1.0", build_string())
    with pytest.raises(BadUseError, match="vmlinuz"):
        read_banner(write(tmp_path / "vmlinuz", whole[:0x210]))


def test_vmlinux_is_unpacked(tmp_path):
    size = struct.pack("<I", len(KERNEL))
    packed = {"gz": gzip.compress(KERNEL), "xz": lzma.compress(KERNEL) + size}
    if shutil.which("zstd"):
        done = subprocess.run(["zstd", "-qc"], input=KERNEL, capture_output=True, check=True)
        packed["zst"] = done.stdout + size
    for name, payload in packed.items():
        assert read_vmlinux(write(tmp_path / name, packed_bzimage(payload))) == KERNEL, name


def test_damaged_payload(tmp_path):
    broken = b"\x1f\x8b" + bytes(100)
    with pytest.raises(FailedError, match="gzip part of a kernel image"):
        read_vmlinux(write(tmp_path / "vmlinuz", packed_bzimage(broken)))


@pytest.mark.parametrize(
    ("build", "seconds"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1~bpo13+1 (2026-11-15)", 1794700800),
        ("#7 SMP Thu Jan  1 00:01:40 UTC 1970", 100),
        ("#1 SMP PREEMPT_DYNAMIC @0", None),
        ("#1 SMP", None),
    ],
)
def test_build_time(build, seconds):
    assert build_time(build) == seconds
