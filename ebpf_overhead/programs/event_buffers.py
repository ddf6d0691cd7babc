"""Event buffers: the ring and perf buffers that programs write, and their reader.

The reader waits for records on another CPU and takes them out, as a tool does.  On a machine
with one CPU it would run inside measured windows.  There, the buffers are emptied between
windows; they hold the records of more than half a block.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_uint32
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.bpf import maps
from ebpf_overhead.bpf.maps import MapType
from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.programs.event_rings import PerfBuffer, Ring, RingBuffer
from ebpf_overhead.reading import cpu_numbers

_WAIT_S = 0.05


@dataclass(frozen=True)
class BufferUse:
    """What came of a program's event buffer.

    Attributes
    ----------
    name : str
        Name of the map.
    records : int
        Records taken out.
    lost : int
        Records that found no room, as far as the kernel counts them.
    full : int
        How often there was no room for another record when records were taken out.
    """

    name: str
    records: int
    lost: int
    full: int


@dataclass
class Buffer:
    """A map that a program hands records over in: its rings, one or one for each CPU."""

    name: str
    rings: list[Ring] = field(default_factory=list)
    records: int = 0


class EventBuffers:
    """All event buffers of a program.

    Parameters
    ----------
    buffers : list
        A name and its rings for each.
    """

    def __init__(self, buffers: list[Buffer]) -> None:
        self._buffers = buffers

    @property
    def received(self) -> int:
        """Number of records taken out so far."""
        return sum(each.records for each in self._buffers)

    def uses(self) -> list[BufferUse]:
        """Return what came of each buffer so far."""
        return [
            BufferUse(
                each.name,
                each.records,
                sum(ring.lost for ring in each.rings),
                sum(ring.full for ring in each.rings),
            )
            for each in self._buffers
        ]

    def drain(self) -> None:
        """Take out all records, for a machine with no other CPU."""
        for each in self._buffers:
            each.records += sum(ring.drain() for ring in each.rings)

    @property
    def _rings(self) -> list[Ring]:
        return [ring for each in self._buffers for ring in each.rings]

    @contextmanager
    def emptied(self, cpus: set[int]) -> Iterator[None]:
        """Have a thread take out records while the block runs.

        Parameters
        ----------
        cpus : set of int
            The CPUs of the thread.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._read, args=(cpus, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.drain()

    def _read(self, cpus: set[int], stop: threading.Event) -> None:
        os.sched_setaffinity(threading.get_native_id(), cpus)
        with select.epoll() as poll:
            for ring in self._rings:
                poll.register(ring.fd, select.EPOLLIN)
            while not stop.is_set():
                poll.poll(_WAIT_S)
                self.drain()

    def close(self) -> None:
        """Release the memory of the buffers."""
        for ring in self._rings:
            ring.close()


def output_maps(map_fds: Mapping[str, int], outputs: Collection[str]) -> dict[str, MapType]:
    """Return the kinds of the maps that a program writes records to; see `open_event_buffers`."""
    found = {}
    for name, map_fd in map_fds.items():
        kind = maps.dimensions(map_fd).kind
        if kind == MapType.RINGBUF:
            found[name] = MapType.RINGBUF
        elif kind == MapType.PERF_EVENT_ARRAY and {name, ""} & set(outputs):
            found[name] = MapType.PERF_EVENT_ARRAY
    return found


def open_event_buffers(map_fds: Mapping[str, int], outputs: Collection[str]) -> EventBuffers | None:
    """Return the event buffers of a program.

    Parameters
    ----------
    map_fds : mapping of str to int
        Descriptors of its maps by name.
    outputs : collection of str
        The arrays of perf events that it writes records to; an empty name among them stands for
        any.  The others it reads counters of.

    Returns
    -------
    EventBuffers or None
        None if the program has none.

    Raises
    ------
    OverheadError
        The kernel refused a buffer.
    """
    found: list[Buffer] = []
    try:
        for name, kind in output_maps(map_fds, outputs).items():
            _import_numpy()
            map_fd = map_fds[name]
            if kind == MapType.RINGBUF:
                size = maps.dimensions(map_fd).max_entries
                found.append(Buffer(name, [RingBuffer(map_fd, size)]))
            else:
                found.append(Buffer(name))
                for cpu in online_cpus():
                    found[-1].rings.append(PerfBuffer(cpu))
                    maps.put(map_fd, cpu, bytes(c_uint32(found[-1].rings[-1].fd)))
    except OSError as error:
        EventBuffers(found).close()
        raise explain(error, "mmap", "event buffer") from error
    return EventBuffers(found) if found else None


def _import_numpy() -> None:
    """Import it now: that takes longer than a program needs to fill its buffer."""
    import numpy as np  # noqa: F401


def online_cpus(path: Path = Path("/sys/devices/system/cpu/online")) -> list[int]:
    """Return the CPUs that are online."""
    return cpu_numbers(path.read_text().strip())
