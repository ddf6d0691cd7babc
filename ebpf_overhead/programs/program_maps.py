"""The maps of a program in the kernel, made from the definitions in its object."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ebpf_overhead.bpf import loading, map_entries, maps
from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.programs import map_states
from ebpf_overhead.programs.program_object import MapDefinition, ProgramObject


class ProgramMaps:
    """The maps of a program in the kernel, which keeps them until this object goes.

    Parameters
    ----------
    fds : dict of str to int
        Descriptor of each map; they belong to this object from now on.

    Attributes
    ----------
    fds
        As given.
    """

    def __init__(self, fds: dict[str, int]) -> None:
        self.fds = fds
        # At the end of the process the kernel closes them.
        weakref.finalize(self, _close, self.fds, os.getpid()).atexit = False
        self._contents: dict[str, tuple[bytearray, bytearray]] = {}

    def keep_contents(self) -> None:
        """Have hash maps begin with what is in them now, each time they are cleared."""
        sizes = {name: maps.dimensions(fd) for name, fd in self.fds.items()}
        hashes = {name: size for name, size in sizes.items() if size.is_hash}
        found = {name: map_entries.entries(self.fds[name], size) for name, size in hashes.items()}
        self._contents = {name: each for name, each in found.items() if each[0]}

    def clear(self) -> None:
        """Empty all hash maps, but for what they begin with."""
        map_states.clear(self.fds)
        for name, (keys, values) in self._contents.items():
            count = len(keys) // maps.dimensions(self.fds[name]).key_bytes
            map_entries.update(self.fds[name], keys, values, count)


def make_maps(made: ProgramObject, max_entries: Mapping[str, int]) -> ProgramMaps:
    """Make the maps that an object defines.

    Parameters
    ----------
    made : ProgramObject
        Defines them.
    max_entries : mapping of str to int
        Sizes that differ from the definitions, by the name of the map.

    Raises
    ------
    OverheadError
        The kernel refused one.
    """
    maps_made = ProgramMaps({})
    with _types(made) as btf_fd:
        for each in made.maps:
            try:
                entries = max_entries.get(each.name)
                maps_made.fds[each.name] = _create(each, maps_made.fds, entries, btf_fd)
            except OSError as error:
                raise explain(error, "map creation", "BPF map") from error
    return maps_made


def _create(wanted: MapDefinition, made: dict[str, int], entries: int | None, btf_fd: int) -> int:
    if entries is None:
        entries = wanted.max_entries
        if wanted.kind == maps.MapType.PERF_EVENT_ARRAY and not entries:
            entries = maps.possible_cpus()
    return maps.create(
        maps.Dimensions(wanted.kind, wanted.key_bytes, wanted.value_bytes, entries),
        wanted.name,
        wanted.flags,
        made[wanted.inner] if wanted.inner else 0,
        maps.BtfTypes(btf_fd, wanted.btf_key, wanted.btf_value) if btf_fd else maps.NO_BTF,
    )


@contextmanager
def _types(made: ProgramObject) -> Iterator[int]:
    """Yield a descriptor of the types of an object's maps, or 0.

    An older kernel may not know what a newer compiler writes; most maps need no types.
    """
    btf_fd = 0
    with suppress(OSError):
        btf_fd = loading.btf_load(made.btf) if made.maps and made.btf else 0
    try:
        yield btf_fd
    finally:
        if btf_fd:
            os.close(btf_fd)


def _close(fds: dict[str, int], owner: int) -> None:
    # In a forked process the numbers may be those of other files.
    if os.getpid() == owner:
        for fd in fds.values():
            os.close(fd)
