"""Maps of stack traces, and tries: keys come and go, and the kernel deletes but one at a time."""

from __future__ import annotations

from contextlib import suppress

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.bpf.structures import MapElementAttr
from ebpf_overhead.bpf.syscall import BpfCommand, call

_KINDS = (MapType.STACK_TRACE, MapType.LPM_TRIE)


def is_unbatched(size: Dimensions) -> bool:
    """Whether a map is one of these."""
    return size.kind in _KINDS


def clear(map_fd: int, size: Dimensions) -> None:
    """Delete all keys."""
    key = bytearray(size.key_bytes)
    first = MapElementAttr(map_fd, value=_syscalls.address(key))
    with suppress(FileNotFoundError):  # there is none, or others deleted it meanwhile
        for _ in range(size.max_entries):
            call(BpfCommand.MAP_GET_NEXT_KEY, first)
            call(BpfCommand.MAP_DELETE_ELEM, MapElementAttr(map_fd, _syscalls.address(key)))
