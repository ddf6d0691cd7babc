"""Function tables: maps of ``struct_ops``, whose functions take the place of the kernel's own."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ebpf_overhead.bpf import links, maps
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.programs.loaded import LoadedProgram


@dataclass
class FunctionTable:
    """What libbpf would write into such a map.

    Attributes
    ----------
    name : str
        Of the map.
    value : bytes
        Its one value, in the layout of the running kernel, without the functions.
    places : sequence of (int, str)
        Each function: the byte offset of its descriptor, and its name.
    linked : bool
        Whether a link puts it in place (Linux 6.4), not the value itself.
    """

    name: str
    value: bytes
    places: list[tuple[int, str]]
    linked: bool
    _tried: bool = field(default=False, init=False)
    _refusal: OSError | None = field(default=None, init=False)

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> FunctionTable:
        """Return what the child noted.

        Raises
        ------
        ValueError
            A function lies outside of its table.
        """
        places = [(int(offset), str(function)) for offset, function in data["places"]]
        value = bytes.fromhex(data["value"])
        if any(not 0 <= offset <= len(value) - 8 for offset, _ in places):
            raise ValueError("a function outside of its table")
        return cls(str(data["name"]), value, places, bool(data["linked"]))

    def has(self, function: str) -> bool:
        """Whether a function is one of the table's."""
        return any(name == function for _, name in self.places)

    def try_out(self, map_fd: int, load: Callable[[str], LoadedProgram]) -> None:
        """Put the table in place and take it away again, the first time.

        The kernel lets that be done once per map.

        Parameters
        ----------
        map_fd : int
            The map.
        load : callable
            Loads one of the functions.

        Raises
        ------
        OSError
            The kernel refused it, now or the first time.
        OverheadError
            The kernel refused one of its functions.
        """
        if not self._tried:
            self._tried = True
            try:
                self._put_in_place(map_fd, load)
            except OSError as error:
                self._refusal = error
        if self._refusal is not None:
            raise self._refusal

    def _put_in_place(self, map_fd: int, load: Callable[[str], LoadedProgram]) -> None:
        value = bytearray(self.value)
        with ExitStack() as held:
            for offset, function in self.places:
                struct.pack_into("=Q", value, offset, held.enter_context(load(function)).fd)
            maps.put(map_fd, 0, bytes(value))
            if self.linked:
                os.close(links.to_number(map_fd, TraceAttachType.STRUCT_OPS, 0))
            else:
                maps.remove(map_fd, 0)
