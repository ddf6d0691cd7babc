"""Queues and stacks: maps without keys, of which the kernel does not tell how full they are."""

from __future__ import annotations

from contextlib import suppress

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.bpf.structures import MapElementAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call

_KINDS = (MapType.QUEUE, MapType.STACK)


def is_queue(size: Dimensions) -> bool:
    """Whether a map is a queue or a stack."""
    return size.kind in _KINDS


def is_full(map_fd: int, size: Dimensions) -> bool:
    """Return whether a queue or a stack has no room, by trying.

    What is put in is taken out again: from a queue that is neither full nor empty, the oldest
    value instead.
    """
    value = bytearray(size.value_bytes)
    try:
        call(BpfCommand.MAP_UPDATE_ELEM, MapElementAttr(map_fd, value=_syscalls.address(value)))
    except OSError:  # E2BIG
        return True
    _take(map_fd, value)
    return False


def clear(map_fd: int, size: Dimensions) -> None:
    """Take everything out of a queue or a stack."""
    value = bytearray(size.value_bytes)
    with suppress(FileNotFoundError):
        for _ in range(size.max_entries):
            _take(map_fd, value)


def _take(map_fd: int, value: bytearray) -> None:
    attribute = MapElementAttr(map_fd, value=_syscalls.address(value))
    call(BpfCommand.MAP_LOOKUP_AND_DELETE_ELEM, attribute)
