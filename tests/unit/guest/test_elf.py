"""The little of ELF that matters to guests."""

import struct

import pytest

from ebpf_overhead.guest import elf


def image(start=64, offset=0, size=16, kind=3):
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", header, 32, start)
    struct.pack_into("<HH", header, 54, 56, 1)
    return bytes(header) + struct.pack("<IIQQQQ", kind, 0, offset, 0, 0, size) + bytes(16)


def test_a_program_with_a_loader_is_not_static():
    assert elf.is_whole(image())
    assert not elf.is_static(image())
    assert elf.is_static(image(kind=1))


@pytest.mark.parametrize("wrong", [{"start": 2**64 - 1}, {"start": 100}, {"offset": 2**64 - 1}])
def test_segments_that_lie_outside_of_the_file_are_not_whole(wrong):
    assert not elf.is_whole(image(**wrong))
    assert not elf.is_static(image(**wrong))
