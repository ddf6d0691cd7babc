"""A map of any sizes and fill, and the program that works on it.

The program is compiled once an operation.  Its bytecode says nothing of the map but a
descriptor, so another map takes the place of the one that BCC made: no sizes are compiled in.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import gcd
from typing import NamedTuple

import numpy as np

from ebpf_overhead.bpf import map_entries, maps
from ebpf_overhead.bpf.maps import MapUse
from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.loaded import LoadedAs
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.studies.map_state.states import OPERATIONS, Size, State

# Keys and values handed to the kernel at once, in bytes.
_BATCH_BYTES = 16 << 20
# Of struct worker in probes/map_state.c: runs, done, stride, limit, number.
_WORKER = struct.Struct("=QQIII")
_WORKER_BYTES = 8 + 8 + 4 + 4 + 256 + 4096
# Numbers from here on are never in a map before the first run.
_NEW_KEYS = 1 << 31
_NO_LIMIT = (1 << 32) - 1


class Outcomes(NamedTuple):
    """How the runs of the program ended.

    Attributes
    ----------
    runs : int
        All of them on the measured CPU, other processes' included.
    done : int
        Those that ended as the operation says.
    """

    runs: int
    done: int


def program_for(operation: str) -> Program:
    """Return the program of an operation."""
    return Program(
        f"map_{operation}",
        f"Map{operation.capitalize()}",
        f"map state, {operation}",
        file="map_state",
        definitions=(f"OPERATION={OPERATIONS[operation]}",),
    )


@dataclass
class FilledProgram(CompiledProgram):
    """The program of an operation, on a map of its own.

    Attributes
    ----------
    filled_fd : int
        Descriptor of the map that takes the place of its own.
    """

    filled_fd: int = -1
    _workers: mmap.mmap = field(kw_only=True, repr=False)

    def _fds(self, loaded_as: LoadedAs) -> Mapping[str, int]:
        return {**self.maps.fds, "counts": self.filled_fd}

    def clear(self) -> None:
        """Do nothing: the map is as it is to be measured."""

    def map_use(self) -> MapUse | None:
        """Return None: how full the map is, is checked by who filled it."""
        return None

    @property
    def is_watched(self) -> bool:
        """Whether its helpers are: what they come to is what is measured, and is counted."""
        return False

    def map_states(self) -> list[MapState]:
        """Return none: the state of the map is the question."""
        return []

    def entries(self) -> int:
        """Return how many keys are in the map."""
        size = maps.dimensions(self.filled_fd)
        return len(map_entries.keys(self.filled_fd, size)) // size.key_bytes

    def outcomes(self) -> Outcomes:
        """Return how the runs so far ended on the measured CPU."""
        ends = [_WORKER.unpack_from(self._workers, at)[:2] for at in _places()]
        return Outcomes(*(sum(column) for column in zip(*ends, strict=True)))


@contextmanager
def filled(state: State, size: Size, cpu: int) -> Iterator[FilledProgram]:
    """Yield a state's program, compiled for one CPU to run, with a map of that size, filled.

    Raises
    ------
    OverheadError
        The kernel makes no such map, or the program does not compile.
    """
    compiled = programs.compiled(program_for(state.operation))
    workers = mmap.mmap(
        compiled.maps.fds["workers"], maps.possible_cpus() * _WORKER_BYTES, mmap.MAP_SHARED
    )
    map_fd = _create(state, size)
    try:
        _fill(map_fd, state.keys(size), size)
        _tell(workers, state, size, cpu)
        yield FilledProgram(
            compiled.name, compiled.made, compiled.maps, filled_fd=map_fd, _workers=workers
        )
    except OSError as error:
        raise explain(error, "map update", "BPF map") from error
    finally:
        workers.close()
        os.close(map_fd)


def _create(state: State, size: Size) -> int:
    try:
        return maps.create(
            maps.Dimensions(state.kind, size.key_bytes, size.value_bytes, size.entries)
        )
    except OSError as error:
        raise explain(error, "map creation", "BPF map") from error


def _fill(map_fd: int, count: int, size: Size) -> None:
    """Insert the keys 0 … count - 1."""
    at_once = max(_BATCH_BYTES // (size.key_bytes + size.value_bytes), 1)
    for first in range(0, count, at_once):
        numbers = np.arange(first, min(first + at_once, count), dtype=np.uint32)
        keys = np.zeros((numbers.size, size.key_bytes), np.uint8)
        keys[:, :4] = numbers.view(np.uint8).reshape(-1, 4)
        values = bytearray(numbers.size * size.value_bytes)
        map_entries.update(map_fd, bytearray(keys), values, numbers.size)


def _tell(workers: mmap.mmap, state: State, size: Size, measured_cpu: int) -> None:
    """Have one CPU begin again: at a key of the map, or with keys that are not in it."""
    keys = state.keys(size)
    for cpu, at in enumerate(_places()):
        if cpu != measured_cpu:
            values = (0, 0, 0)
        elif state.operation == "hit":
            values = (_stride(keys), keys, 0)
        else:
            values = (1, _NO_LIMIT, _NEW_KEYS)
        _WORKER.pack_into(workers, at, 0, 0, *values)


def _stride(keys: int) -> int:
    """Return how far apart two keys are that follow each other: about 0.62 of all.

    It has no factor in common with their number, so that every key has its turn.
    """
    stride = max(int(keys * 0.618), 1)
    while gcd(stride, keys) != 1:
        stride += 1
    return stride


def _places() -> Iterator[int]:
    return iter(range(0, maps.possible_cpus() * _WORKER_BYTES, _WORKER_BYTES))
