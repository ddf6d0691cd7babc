"""Where a function of a program returns: what takes the place of a return probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import elf
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.instruction_length import length_of

_RET_X86, _RET_AARCH64 = b"\xc3", bytes.fromhex("c0035fd6")


def returns_of(point: AttachPoint) -> list[AttachPoint]:
    """Return the instructions at which a function returns.

    Parameters
    ----------
    point : AttachPoint
        Its entry.

    Raises
    ------
    UnsupportedError
        They are not known: no symbol says where the function ends, its code is for another
        machine, or it has none.
    """
    path = str(point.path)
    code = elf.function_bytes(path, point.offset_bytes)
    if code is None:
        raise UnsupportedError(
            f"{point}: no symbol says where it ends, so its returns cannot be found",
            "name the function by its symbol, in a file that is not stripped",
        )
    walk = {elf.X86_64: _x86_64, elf.AARCH64: _aarch64}.get(elf.machine(path) or 0)
    found = list(walk(code)) if walk else []
    if not found:
        raise UnsupportedError(
            f"{point}: no instruction in it returns", "choose a function that it calls"
        )
    return [
        replace(point, name=f"{point.name}+{each:#x}", offset_bytes=point.offset_bytes + each)
        for each in found
    ]


def _x86_64(code: bytes) -> Iterator[int]:
    at = 0
    while at < len(code):
        if code.startswith(_RET_X86, at):
            yield at
        at += length_of(code[at : at + 16].ljust(32, b"\0"))


def _aarch64(code: bytes) -> Iterator[int]:
    return (at for at in range(0, len(code), 4) if code.startswith(_RET_AARCH64, at))
