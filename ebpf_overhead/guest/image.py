"""What QEMU is given to boot: the kernel unpacked where that can be, else as it is."""

from __future__ import annotations

import struct
from pathlib import Path

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.guest import elf
from ebpf_overhead.guest.errors import GuestBootError
from ebpf_overhead.kernels.image import is_arm64, is_whole_arm64, read_vmlinux

_BZIMAGE_HEADER_BYTES = 0x250
_ADD_AGAIN = "add the kernel again"


def bootable(image: Path, directory: Path) -> Path:
    """Return the file to boot for a kernel image.

    A bzImage unpacks itself, which takes 5 s of emulated instructions when it is packed with
    xz and 1 s with zstd; the host does it in less than 1 s.  A packed kernel of arm64 does not
    unpack itself: its firmware does, which guests have none of.

    Parameters
    ----------
    image : Path
        A bzImage, an ELF kernel, or a kernel of arm64, packed or not.
    directory : Path
        Where the unpacked kernel may be written.

    Returns
    -------
    Path
        ``directory/vmlinux``, or `image` when it is not packed, cannot be unpacked here or cannot
        be entered unpacked (a kernel for x86 built without CONFIG_PVH).

    Raises
    ------
    GuestBootError
        When the image is not there, or not whole.
    """
    try:
        with image.open("rb") as file:
            header = file.read(_BZIMAGE_HEADER_BYTES)
        size_bytes = image.stat().st_size
    except OSError as error:
        raise GuestBootError(
            f"kernel image {image} cannot be read: {error.strerror}", _ADD_AGAIN
        ) from None
    is_bzimage = header[0x202:0x206] == b"HdrS"
    if is_bzimage:
        _check_bzimage(image, header, size_bytes)
    try:
        kernel = read_vmlinux(image)
    except OverheadError as error:
        if is_bzimage or header.startswith(b"\x7fELF"):
            return image  # A packing that is not known here: the kernel unpacks itself.
        raise GuestBootError(f"kernel image {image}: {error}", _ADD_AGAIN) from None
    arm64 = is_arm64(kernel)
    if not (arm64 or is_bzimage or header.startswith(b"\x7fELF")):
        raise GuestBootError(
            f"kernel image {image} ({size_bytes} bytes) is no bzImage and no kernel of arm64",
            _ADD_AGAIN,
        )
    if not (is_whole_arm64(kernel) if arm64 else elf.is_whole(kernel)):
        raise GuestBootError(
            f"kernel image {image} is damaged: what is in it is no whole kernel", _ADD_AGAIN
        )
    if len(kernel) == size_bytes or not (arm64 or elf.has_pvh_entry(kernel)):
        return image
    unpacked = directory / "vmlinux"
    unpacked.write_bytes(kernel)
    return unpacked


def _check_bzimage(image: Path, header: bytes, size_bytes: int) -> None:
    # Documentation/arch/x86/boot.rst: the payload's offset counts from the end of the
    # real-mode part, whose size in 512-byte sectors is at 0x1f1 (0 means 4).
    payload, length = struct.unpack_from("<II", header.ljust(_BZIMAGE_HEADER_BYTES, b"\0"), 0x248)
    needed_bytes = ((header[0x1F1] or 4) + 1) * 512 + payload + length
    if size_bytes < needed_bytes:
        raise GuestBootError(
            f"kernel image {image} is truncated: {size_bytes} of at least {needed_bytes} bytes",
            _ADD_AGAIN,
        )
