import gzip
import lzma
import shutil
import struct
import subprocess

import pytest
from kernels_fakes import build_string, bzimage

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import image
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
    head = bytearray(bzimage("6.1.0", build_string())) + payload
    struct.pack_into("<I", head, 0x248, 4096 - 5 * 512)
    struct.pack_into("<I", head, 0x24C, len(payload))
    return bytes(head)


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
    head = bytearray(bzimage("6.1.0", build_string()))
    head[0x600:0x700] = bytes(0x100)
    with pytest.raises(BadUseError, match="version string reads ''"):
        read_banner(write(tmp_path / "vmlinuz", bytes(head)))


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
    with pytest.raises(FailedError, match="gzip cannot unpack the kernel in vmlinuz"):
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


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "_LARGEST_KERNEL_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(2 << 20))
    for content in (bomb, zboot(bomb)):
        with pytest.raises(FailedError, match="the kernel in vmlinuz is not unpacked: it has more"):
            read_banner(write(tmp_path / "vmlinuz", content))
    with pytest.raises(FailedError, match="it has more than 1,048,576 bytes"):
        read_vmlinux(write(tmp_path / "vmlinuz", packed_bzimage(bomb)))


def test_size_of_the_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "_LARGEST_IMAGE_BYTES", 100)
    with pytest.raises(BadUseError, match="vmlinuz is not read: it has more than 100 bytes"):
        read_banner(write(tmp_path / "vmlinuz", bytes(101)))


@pytest.mark.parametrize("length", [0, 1, 0x202, 0x206, 0x237, 0x24F, 4096])
def test_every_beginning_of_an_image_is_an_error(tmp_path, length):
    for whole in (bzimage("6.1.0", build_string())[:0x601], zboot(b"")):
        with pytest.raises((BadUseError, FailedError)):
            read_banner(write(tmp_path / "vmlinuz", whole[:length]))


def test_a_payload_that_is_the_image_itself_ends(tmp_path):
    circle = b"MZ\0\0zimg" + struct.pack("<II", 0, 64) + bytes(48)
    with pytest.raises(BadUseError, match="neither a bzImage"):
        read_banner(write(tmp_path / "vmlinuz", circle))


def test_no_image_makes_the_search_for_the_banner_take_for_ever(tmp_path):
    endless = b"Linux version 6.1 (" * 500_000
    with pytest.raises(BadUseError, match="neither a bzImage"):
        read_banner(write(tmp_path / "vmlinuz", endless))


def test_impossible_dates_are_none():
    assert build_time("#1 SMP (2026-13-32)") is None
    assert build_time("#1 SMP Mon Xyz 99 23:00:00 UTC 2026") is None


def arm64_image(sections=(b"text" * 100, b"data" * 50)):
    """A kernel of arm64 with the header of the boot protocol and a PE header."""
    start, table = 64, 64 + 24
    content = bytearray(table + 40 * len(sections))
    content[0:2], content[56:60] = b"MZ", b"ARM\x64"
    struct.pack_into("<I", content, 0x3C, start)
    content[start : start + 4] = b"PE\0\0"
    struct.pack_into("<H", content, start + 6, len(sections))
    for index, section in enumerate(sections):
        struct.pack_into("<II", content, table + 40 * index + 16, len(section), len(content))
        content += section
    return bytes(content)


def test_whole_kernel_of_arm64():
    whole = arm64_image()
    assert image.is_arm64(whole)
    assert image.is_whole_arm64(whole)
    assert not any(image.is_whole_arm64(whole[:length]) for length in range(64, len(whole)))
