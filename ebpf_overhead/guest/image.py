"""What QEMU is given to boot: the kernel unpacked where that can be, else as it is."""

from __future__ import annotations

import struct
from pathlib import Path

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.guest import elf
from ebpf_overhead.guest.errors import GuestBootError
from ebpf_overhead.kernels.image import read_vmlinux

_BZIMAGE_HEADER_BYTES = 0x250


def bootable(image: Path, directory: Path) -> Path:
    """Return the file to boot for a kernel image.

    A bzImage unpacks itself, which takes 5 s of emulated instructions when it is packed with
    xz and 1 s with zstd; the host does it in less than 1 s.

    Parameters
    ----------
    image : Path
        A bzImage, or an ELF kernel.
    directory : Path
        Where the unpacked kernel may be written.

    Returns
    -------
    Path
        ``directory/vmlinux``, or `image` when it cannot be unpacked here or cannot be
        entered unpacked (a kernel built without CONFIG_PVH).

    Raises
    ------
    GuestBootError
        When the image is not there, or not whole.
    """
    try:
        _check_whole(image)
    except OSError as error:
        raise GuestBootError(
            f"kernel image {image} cannot be read: {error.strerror}", "add the kernel again"
        ) from None
    try:
        kernel = read_vmlinux(image)
    except OverheadError:
        return image  # A packing that is not known here: the kernel unpacks itself.
    if not elf.is_whole(kernel):
        raise GuestBootError(
            f"kernel image {image} is damaged: what is packed in it is no whole kernel",
            "add the kernel again",
        )
    if not elf.has_pvh_entry(kernel):
        return image
    unpacked = directory / "vmlinux"
    unpacked.write_bytes(kernel)
    return unpacked


def _check_whole(image: Path) -> None:
    with image.open("rb") as file:
        header = file.read(_BZIMAGE_HEADER_BYTES)
    size_bytes = image.stat().st_size
    if header.startswith(b"\x7fELF"):
        return  # Checked once it is in memory.
    if len(header) < _BZIMAGE_HEADER_BYTES or header[0x202:0x206] != b"HdrS":
        raise GuestBootError(
            f"kernel image {image} ({size_bytes} bytes) is no bzImage", "add the kernel again"
        )
    # Documentation/arch/x86/boot.rst: the payload's offset counts from the end of the
    # real-mode part, whose size in 512-byte sectors is at 0x1f1 (0 means 4).
    payload, length = struct.unpack_from("<II", header, 0x248)
    needed_bytes = ((header[0x1F1] or 4) + 1) * 512 + payload + length
    if size_bytes < needed_bytes:
        raise GuestBootError(
            f"kernel image {image} is truncated: {size_bytes} of at least {needed_bytes} bytes",
            "add the kernel again",
        )
