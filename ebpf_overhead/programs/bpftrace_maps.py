"""Taking over the maps and the type information that bpftrace makes for a script."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from ebpf_overhead.bpf import maps
from ebpf_overhead.bpf.infos import BpfMapInfo
from ebpf_overhead.bpf.maps import MapType
from ebpf_overhead.bpf.structures import LOAD_64, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, instructions
from ebpf_overhead.bpf.syscall import object_info
from ebpf_overhead.closing import Closing
from ebpf_overhead.programs.notified_calls import taken_over


class ScriptMaps(Closing):
    """The maps and types that the programs of a script refer to.

    Parameters
    ----------
    process_fd : int
        Descriptor of bpftrace's process (``pidfd_open(2)``).
    """

    def __init__(self, process_fd: int) -> None:
        self._process_fd = process_fd
        self._names: dict[int, str] = {}
        self._fds: dict[str, int] = {}
        self._types_fds: dict[int, int] = {}

    def note_types(self, fd: int, number: int) -> None:
        """Take over the type information of a program, which the kernel knows by a number."""
        if number not in self._types_fds:
            self._types_fds[number] = taken_over(self._process_fd, fd)

    def names_in(self, code: bytes) -> dict[int, str]:
        """Return the names of the maps in instructions, by descriptor, after taking them over."""
        names: dict[int, str] = {}
        found, index = instructions(code), 0
        while index < len(found):
            each = found[index]
            wide = each.code == LOAD_64
            if wide and each.src_reg in (PSEUDO_MAP_FD, PSEUDO_MAP_VALUE):
                names[each.imm] = names.get(each.imm) or self._name_of(each.imm)
            index += 2 if wide else 1
        return names

    def handed_on(self, used: Collection[str], types: int) -> tuple[dict[str, int], int]:
        """Return the descriptors of maps and that of the types: they are the caller's then."""
        found = {name: self._fds.pop(name) for name in [*self._fds] if name in used}
        return found, self._types_fds.pop(types, 0)

    def close(self) -> None:
        """Let go of what was not handed on."""
        for fd in (*self._fds.values(), *self._types_fds.values()):
            os.close(fd)
        self._fds, self._types_fds = {}, {}

    def _name_of(self, fd: int) -> str:
        ours = taken_over(self._process_fd, fd)
        told = BpfMapInfo()
        object_info(ours, told)
        if told.id in self._names:
            os.close(ours)
            return self._names[told.id]
        # What a script calls @start is AT_start: the kernel takes no @, and 15 characters.
        name = re.sub("^AT_", "@", told.name.decode(errors="replace"))
        if name in self._fds:
            name = f"{name}#{told.id}"
        if told.type == MapType.PERF_EVENT_ARRAY:
            # The events in it are bpftrace's, which nobody will read.
            size = maps.dimensions(ours)
            os.close(ours)
            ours = maps.create(size, name)
        self._names[told.id], self._fds[name] = name, ours
        return name
