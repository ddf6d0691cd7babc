"""How full the maps of a program are, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ebpf_overhead.bpf import map_entries, maps, queues, unbatched_maps


@dataclass(frozen=True)
class MapState:
    """A map of a program that keys are inserted into.

    Attributes
    ----------
    name : str
        Its name in the source.
    kind : str
        Its type, of ``enum bpf_map_type``.
    entries, max_entries : int
        How many keys it has, and how many there is room for.
    evicts : bool
        Whether a new key takes the place of an old one where there is no room.
    """

    name: str
    kind: str
    entries: int
    max_entries: int
    evicts: bool = False

    @property
    def full(self) -> bool:
        """Whether there is no room for another key."""
        return self.entries >= self.max_entries


def states(fds: Mapping[str, int]) -> list[MapState]:
    """Return how full each hash map is, and which queues and stacks are full.

    Parameters
    ----------
    fds : mapping of str to int
        Descriptors of maps by name.
    """
    found = []
    for name, fd in fds.items():
        size = maps.dimensions(fd)
        if size.is_hash:
            entries = len(map_entries.keys(fd, size)) // size.key_bytes
        elif queues.is_queue(size) and queues.is_full(fd, size):
            entries = size.max_entries
        else:
            continue
        kind = maps.MapType(size.kind).name.lower()
        found.append(MapState(name, kind, entries, size.max_entries, size.evicts))
    return found


def keys(fds: Mapping[str, int]) -> dict[str, frozenset[bytes]]:
    """Return the keys of each map that drops keys where there is no room."""
    found = {}
    for name, fd in fds.items():
        size = maps.dimensions(fd)
        if size.evicts:
            whole, each = bytes(map_entries.keys(fd, size)), size.key_bytes
            found[name] = frozenset(whole[at : at + each] for at in range(0, len(whole), each))
    return found


def clear(fds: Mapping[str, int]) -> None:
    """Empty all maps but arrays: hash maps, tries, queues, stacks and maps of stack traces."""
    for fd in fds.values():
        size = maps.dimensions(fd)
        if size.is_hash:
            with suppress(FileNotFoundError):  # others may delete a key meanwhile
                map_entries.delete(fd, map_entries.keys(fd, size), size.key_bytes)
        elif queues.is_queue(size):
            queues.clear(fd, size)
        elif unbatched_maps.is_unbatched(size):
            unbatched_maps.clear(fd, size)
