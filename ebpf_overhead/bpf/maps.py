"""Maps: making them, what they are, and single elements of arrays."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from ctypes import c_uint32
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.infos import BpfMapInfo
from ebpf_overhead.bpf.structures import MapCreateAttr, MapElementAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call, object_info


class MapType(IntEnum):
    """The part of ``enum bpf_map_type`` that is distinguished here."""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    STACK_TRACE = 7
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    QUEUE = 22
    STACK = 23
    RINGBUF = 27


_ENOTSUPP = 524  # include/linux/errno.h, which the C library does not know
_EVICTING = frozenset({MapType.LRU_HASH, MapType.LRU_PERCPU_HASH})
_HASHES = _EVICTING | {MapType.HASH, MapType.PERCPU_HASH}
_INDEXED = frozenset(
    {MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.PROG_ARRAY, MapType.PERF_EVENT_ARRAY}
)
_PER_CPU = frozenset({MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH})


@dataclass(frozen=True)
class MapUse:
    """How full a program's map was after measuring.

    Attributes
    ----------
    max_entries, entries : int or None
        The most entries that the map holds, and its entries; None where it cannot fill.
    lost_updates : int or None
        Updates that failed, as the program counts them; None where it does not count.
    evicts : bool
        Whether a new key takes the place of an old one when it is full.
    """

    max_entries: int | None
    entries: int | None
    lost_updates: int | None
    evicts: bool = False


@dataclass(frozen=True)
class Dimensions:
    """Type and sizes of a map, from ``struct bpf_map_info``.

    Attributes
    ----------
    kind : int
        Its type, of ``enum bpf_map_type``.
    key_bytes, value_bytes : int
        Bytes of a key and of a value; a per-CPU map has a value of that size for each CPU.
    max_entries : int
        The most entries that it holds.
    """

    kind: int
    key_bytes: int
    value_bytes: int
    max_entries: int

    @property
    def is_hash(self) -> bool:
        """Whether keys are inserted and deleted; the other maps have all keys, or none."""
        return self.kind in _HASHES

    @property
    def is_indexed(self) -> bool:
        """Whether it has a fixed number of elements, found by their number."""
        return self.kind in _INDEXED

    @property
    def evicts(self) -> bool:
        """Whether a full map drops an old key for a new one."""
        return self.kind in _EVICTING

    @property
    def stored_bytes(self) -> int:
        """Bytes of a value in user space, where per-CPU maps have a value per possible CPU."""
        if self.kind in _PER_CPU:
            return -(-self.value_bytes // 8) * 8 * possible_cpus()
        return self.value_bytes


class BtfTypes(NamedTuple):
    """The types of a map's keys and values.

    Attributes
    ----------
    btf_fd : int
        Descriptor of the type information, or 0.
    key, value : int
        Their numbers in it.
    """

    btf_fd: int
    key: int
    value: int


NO_BTF = BtfTypes(0, 0, 0)


def dimensions(map_fd: int) -> Dimensions:
    """Return the type and the sizes of a map."""
    told = BpfMapInfo()
    object_info(map_fd, told)
    return Dimensions(told.type, told.key_size, told.value_size, told.max_entries)


def create(
    size: Dimensions, name: str = "", flags: int = 0, inner_fd: int = 0, btf: BtfTypes = NO_BTF
) -> int:
    """Make a map and return its descriptor.

    Parameters
    ----------
    size : Dimensions
        Its type and sizes.
    name : str
        Name that ``bpftool map`` shows, cut to 15 characters.
    flags : int
        Of ``BPF_F_…``.
    inner_fd : int
        For a map of maps: descriptor of a map like those that it holds.  Otherwise 0.
    btf : BtfTypes
        The types of its keys and values.

    Raises
    ------
    OSError
        The kernel refused the map.
    """
    attribute = MapCreateAttr(
        map_type=size.kind,
        key_size=size.key_bytes,
        value_size=size.value_bytes,
        max_entries=size.max_entries,
        map_flags=flags,
        inner_map_fd=inner_fd,
        map_name=name.encode()[:15],
        btf_fd=btf.btf_fd,
        btf_key_type_id=btf.key,
        btf_value_type_id=btf.value,
    )
    try:
        return call(BpfCommand.MAP_CREATE, attribute)
    except PermissionError:
        lift_memory_limit()
        return call(BpfCommand.MAP_CREATE, attribute)
    except OSError as error:
        # Maps of programs, events, stacks and the like take no types (map_check_btf).
        if error.errno != _ENOTSUPP or btf is NO_BTF:
            raise
        return create(size, name, flags, inner_fd)


def lift_memory_limit() -> None:
    """Let this process lock any amount of memory: before Linux 5.11 maps and programs count."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)


def lookup(map_fd: int, key: int, size: Dimensions | None = None) -> bytes:
    """Return the value of an element of an array; of a per-CPU array, the values of all CPUs.

    Where the size of the map is known, that is one system call.
    """
    value = bytearray((size or dimensions(map_fd)).stored_bytes)
    number = c_uint32(key)
    addresses = _syscalls.address(number), _syscalls.address(value)
    call(BpfCommand.MAP_LOOKUP_ELEM, MapElementAttr(map_fd, *addresses))
    return bytes(value)


def put(map_fd: int, key: int, value: bytes) -> None:
    """Set an element of an array; the value for a program or a perf event is its descriptor."""
    number = c_uint32(key)
    addresses = _syscalls.address(number), _syscalls.address(value)
    call(BpfCommand.MAP_UPDATE_ELEM, MapElementAttr(map_fd, *addresses))


def remove(map_fd: int, key: int) -> None:
    """Delete an element by a number."""
    number = c_uint32(key)
    call(BpfCommand.MAP_DELETE_ELEM, MapElementAttr(map_fd, _syscalls.address(number)))


@cache  # it never changes, and reading a file would run the probes that count reads
def possible_cpus(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """Return the number of CPUs that this machine can ever have: the size of per-CPU maps."""
    try:
        last = path.read_text().strip().rpartition(",")[2].rpartition("-")[2]
        return int(last) + 1
    except (OSError, ValueError):
        return os.cpu_count() or 1
