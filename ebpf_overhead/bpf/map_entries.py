"""What is in hash maps: reading, putting and deleting many entries at once.

One system call for each key would be slow.
"""

from __future__ import annotations

import errno

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.maps import Dimensions
from ebpf_overhead.bpf.structures import MapBatchAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call

_AT_ONCE = 4096


def keys(map_fd: int, size: Dimensions) -> bytearray:
    """Return the keys of a hash map, one after the other; see :func:`entries`."""
    return entries(map_fd, size)[0]


def entries(map_fd: int, size: Dimensions) -> tuple[bytearray, bytearray]:
    """Return the keys of a hash map and their values, many in one system call (Linux 5.6).

    Parameters
    ----------
    map_fd : int
        Descriptor of the map.
    size : Dimensions
        Its type and sizes.
    """
    # Not room for all that there could be: to make a buffer is to clear it, byte by byte in a
    # guest, and a large map is seldom full.
    room = min(size.max_entries, _AT_ONCE)
    found, values = bytearray(), bytearray()
    position: bytes | bytearray = b""
    while True:
        batch = _EntriesRead(size, room)
        try:
            whole = batch.read(map_fd, position)
        except OSError as error:
            if error.errno != errno.ENOSPC or room == size.max_entries:
                raise
            room = size.max_entries  # More keys than that have one hash.
            continue
        found += batch.keys
        values += batch.values
        if whole:
            return found, values
        position = batch.position


class _EntriesRead:
    """Room for some entries of a hash map, and where to go on after them."""

    def __init__(self, size: Dimensions, room: int) -> None:
        self._size, self._room = size, room
        self.keys = bytearray(size.key_bytes * room)
        self.values = bytearray(size.stored_bytes * room)
        self.position = bytearray(max(size.key_bytes, 8))

    def read(self, map_fd: int, position: bytes | bytearray) -> bool:
        """Read entries from a position on, the first without one; return whether all are read."""
        attribute = MapBatchAttr(
            in_batch=_syscalls.address(position) if position else 0,
            out_batch=_syscalls.address(self.position),
            keys=_syscalls.address(self.keys),
            values=_syscalls.address(self.values),
            count=self._room,
            map_fd=map_fd,
        )
        whole = False
        try:
            call(BpfCommand.MAP_LOOKUP_BATCH, attribute)
        except FileNotFoundError:  # the end of the map came before the end of the buffer
            whole = True
        del self.keys[attribute.count * self._size.key_bytes :]
        del self.values[attribute.count * self._size.stored_bytes :]
        return whole


def update(map_fd: int, keys: bytearray, values: bytearray, count: int) -> None:
    """Put keys with their values into a hash map, in one system call (Linux 5.6).

    Parameters
    ----------
    map_fd : int
        Descriptor of the map.
    keys, values : bytearray
        What goes in, one after the other.
    count : int
        How many there are.
    """
    addresses = {"keys": _syscalls.address(keys), "values": _syscalls.address(values)}
    call(BpfCommand.MAP_UPDATE_BATCH, MapBatchAttr(**addresses, count=count, map_fd=map_fd))


def delete(map_fd: int, found: bytearray, key_bytes: int) -> None:
    """Delete keys, as :func:`keys` returns them, from a hash map."""
    if found:
        attribute = MapBatchAttr(
            keys=_syscalls.address(found), count=len(found) // key_bytes, map_fd=map_fd
        )
        call(BpfCommand.MAP_DELETE_BATCH, attribute)
