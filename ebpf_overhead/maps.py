"""The maps of a program: how full they are, and emptying them.

One system call for all keys, because asking BCC's tables for one after the other is slow.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from ebpf_overhead import _syscalls, bpf
from ebpf_overhead.errors import FailedError

_PROG_ARRAY = 3  # enum bpf_map_type
# How an instruction names a map: a 64-bit load of its descriptor.
_LOAD_64, _PSEUDO_MAP_FD = 0x18, 1


class MapType(IntEnum):
    """The part of ``enum bpf_map_type`` whose keys come and go."""

    HASH = 1
    PERCPU_HASH = 5
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10


@dataclass(frozen=True)
class MapUse:
    """How a program's map stood after measuring.

    Attributes
    ----------
    max_entries, entries : int or None
        What the map holds at most, and keys in it; None where nothing can fill.
    lost_updates : int or None
        What failed, in a map because it was full; None where the program does not count it.
    evicts : bool
        Whether a new key takes the place of an old one when it is full.
    """

    max_entries: int | None
    entries: int | None
    lost_updates: int | None
    evicts: bool = False

    def check(self, case_name: str, remedy: str) -> None:
        """Raise FailedError if updates failed: the program then did less than it says.

        Parameters
        ----------
        case_name : str
            Whose map it is.
        remedy : str
            How to keep the map from filling.
        """
        if self.lost_updates and self.max_entries is None:
            raise FailedError(
                f"{case_name} failed to do its work {self.lost_updates} times (lost_updates)"
            )
        if self.lost_updates:
            raise FailedError(
                f"{case_name} lost {self.lost_updates} updates:"
                f" map full with {self.max_entries} entries",
                remedy,
            )
        full = self.entries is not None and self.entries == self.max_entries
        if self.lost_updates is None and full and not self.evicts:
            raise FailedError(
                f"{case_name} filled its map of {self.max_entries} entries:"
                " updates after that failed uncounted",
                f"{remedy}, and count failed updates in lost_updates",
            )


@dataclass(frozen=True)
class Dimensions:
    """The part of ``struct bpf_map_info`` that says what a map is.

    Attributes
    ----------
    kind : int
        Its type, of ``enum bpf_map_type``.
    key_bytes, value_bytes : int
        What a key and a value take, in bytes; per CPU where there is one for each.
    max_entries : int
        What it holds at most.
    """

    kind: int
    key_bytes: int
    value_bytes: int
    max_entries: int

    @property
    def is_hash(self) -> bool:
        """Whether keys come and go; the other maps have them all or none."""
        return self.kind in frozenset(MapType)

    @property
    def evicts(self) -> bool:
        """Whether a full map drops an old key for a new one."""
        return self.kind in (MapType.LRU_HASH, MapType.LRU_PERCPU_HASH)

    @property
    def stored_bytes(self) -> int:
        """What a value takes in user space: one for each possible CPU, where it has several."""
        if self.kind in (MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH):
            return -(-self.value_bytes // 8) * 8 * possible_cpus()
        return self.value_bytes


def dimensions(map_fd: int) -> Dimensions:
    """Return what a map is."""
    info = bytearray(80)
    bpf.call(bpf.Command.OBJ_GET_INFO_BY_FD, "IIQ", map_fd, len(info), _syscalls.address(info))
    return Dimensions(*struct.unpack_from("=I4xIII", info, 0))


def keys(map_fd: int, size: Dimensions) -> bytearray:
    """Return the keys of a hash map, one after the other, in one system call (Linux 5.6).

    Parameters
    ----------
    map_fd : int
        Descriptor of the map.
    size : Dimensions
        What it is.
    """
    position = bytearray(max(size.key_bytes, 8))
    found = bytearray(size.key_bytes * size.max_entries)
    values = bytearray(size.stored_bytes * size.max_entries)
    attribute = bytearray(bpf.ATTRIBUTE_BYTES)
    struct.pack_into(
        "=QQQQII",
        attribute,
        0,
        0,
        _syscalls.address(position),
        _syscalls.address(found),
        _syscalls.address(values),
        size.max_entries,
        map_fd,
    )
    try:
        _syscalls.bpf(bpf.Command.MAP_LOOKUP_BATCH, attribute)
    except FileNotFoundError:
        pass  # ENOENT: the end of the map came before the end of the buffer
    except OSError as error:
        raise OSError(error.errno, "bpf(BPF_MAP_LOOKUP_BATCH)") from error
    count = struct.unpack_from("=I", attribute, 32)[0]
    return found[: count * size.key_bytes]


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
    addresses = _syscalls.address(keys), _syscalls.address(values)
    bpf.call(bpf.Command.MAP_UPDATE_BATCH, "QQQQII", 0, 0, *addresses, count, map_fd)


def delete(map_fd: int, found: bytearray, key_bytes: int) -> None:
    """Delete keys, as :func:`keys` returns them, from a hash map."""
    if found:
        count = len(found) // key_bytes
        bpf.call(
            bpf.Command.MAP_DELETE_BATCH, "QQQQII", 0, 0, _syscalls.address(found), 0, count, map_fd
        )


def new_prog_array() -> int:
    """Return the descriptor of a new program array with one slot."""
    return bpf.call(bpf.Command.MAP_CREATE, "IIII", _PROG_ARRAY, 4, 4, 1)[0]


def put_program(array_fd: int, prog_fd: int) -> None:
    """Put a program into the first slot of a program array."""
    key, value = bytes(4), struct.pack("=I", prog_fd)
    addresses = _syscalls.address(key), _syscalls.address(value)
    bpf.call(bpf.Command.MAP_UPDATE_ELEM, "I4xQQQ", array_fd, *addresses, 0)


def replaced(code: bytes, old_fd: int, new_fd: int) -> bytes:
    """Return a program that uses another map in the place of one."""
    changed = bytearray(code)
    for position in range(0, len(code), 8):
        opcode, registers, _, value = struct.unpack_from("=BBhi", code, position)
        if (opcode, registers >> 4, value) == (_LOAD_64, _PSEUDO_MAP_FD, old_fd):
            struct.pack_into("=i", changed, position + 4, new_fd)
    return bytes(changed)


def possible_cpus(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """Return the number of CPUs that this machine could ever have, which per-CPU maps serve."""
    try:
        last = path.read_text().strip().rpartition(",")[2].rpartition("-")[2]
        return int(last) + 1
    except (OSError, ValueError):
        return os.cpu_count() or 1
