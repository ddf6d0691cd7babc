"""Maps whose keys the kernel deletes one at a time."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ebpf_overhead.bpf import _syscalls, maps
from ebpf_overhead.bpf.maps import MapType
from ebpf_overhead.bpf.structures import MapElementAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call
from ebpf_overhead.programs import map_states

ENTRIES = 16
NO_PREALLOC = 1  # BPF_F_NO_PREALLOC, without which there are no tries


def put(fd: int, number: int) -> None:
    """Put in a key that is a number of 32 bits, all of which count."""
    key, value = struct.pack("=II", 32, number), bytes(8)
    addresses = map(_syscalls.address, (key, value))
    call(BpfCommand.MAP_UPDATE_ELEM, MapElementAttr(fd, *addresses))


def test_a_trie_has_room_again_when_it_is_cleared():
    fd = maps.create(maps.Dimensions(MapType.LPM_TRIE, 8, 8, ENTRIES), "trie", NO_PREALLOC)
    try:
        for _ in range(2):
            for number in range(ENTRIES):
                put(fd, number)
            with pytest.raises(OSError, match="MAP_UPDATE_ELEM") as refused:
                put(fd, ENTRIES)
            assert refused.value.errno == errno.ENOSPC
            map_states.clear({"trie": fd})
    finally:
        os.close(fd)
