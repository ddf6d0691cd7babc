"""What programs hand to user space: ring and perf buffers, and emptying them.

A consumer on another CPU waits for records and takes them out, as a tool would.  On a
machine with one CPU it could only do so inside a measured window; there the buffers, which
hold more than half a block's records, are emptied between windows.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ebpf_overhead import maps, perf
from ebpf_overhead.rights import explain

_RINGBUF, _PERF_EVENT_ARRAY = 27, 4  # enum bpf_map_type
# Flags in a ring buffer's record header, of include/uapi/linux/bpf.h.
_BUSY, _DISCARDED = 1 << 31, 1 << 30
_RINGBUF_HEADER_BYTES = 8
# Of perf_event_mmap_page and perf_event_header, include/uapi/linux/perf_event.h.
_HEAD, _TAIL = 1024, 1032
_PERF_RECORD_SAMPLE = 9
_PERF_BYTES = 4 << 20
_WAIT_S = 0.05


class Ring(Protocol):
    """A buffer that a program writes and this process reads."""

    fd: int

    def drain(self) -> int:
        """Take all records out and return how many there were."""

    def close(self) -> None:
        """Give the memory back."""


class _Positions:
    """Positions in memory that the kernel reads and writes at the same time.

    Each is read and written as a whole.  Not with ``struct``: it writes zeros first, and a
    consumer at zero is a buffer that is full.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._words = memoryview(memory).cast("B").cast("Q")

    def __getitem__(self, offset_bytes: int) -> int:
        return self._words[offset_bytes // 8]

    def __setitem__(self, offset_bytes: int, value: int) -> None:
        self._words[offset_bytes // 8] = value

    def close(self) -> None:
        """Let go of the memory."""
        self._words.release()


class RingBuffer:
    """A map of type ``BPF_MAP_TYPE_RINGBUF``.

    The kernel shows the data twice, one after the other, so that no record is torn.
    """

    def __init__(self, map_fd: int, size_bytes: int) -> None:
        self.fd = map_fd
        self._mask = size_bytes - 1
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(map_fd, page)
        self._producer = mmap.mmap(map_fd, page + 2 * size_bytes, prot=mmap.PROT_READ, offset=page)
        self._ours, self._theirs = _Positions(self._consumer), _Positions(self._producer)

    def drain(self) -> int:
        """Take all records out that are complete."""
        taken = 0
        while count := self._drain_alike():
            taken += count
        return taken

    def _drain_alike(self) -> int:
        """Take out as many records as have the length of the first."""
        begin, end = self._ours[0], self._theirs[0]
        if begin == end:
            return 0
        start = mmap.PAGESIZE + (begin & self._mask)
        data = self._producer[start : start + end - begin]
        (first,) = struct.unpack_from("=I", data)
        stride = -(-((first & ~(_BUSY | _DISCARDED)) + _RINGBUF_HEADER_BYTES) // 8) * 8
        headers = np.frombuffer(data, np.uint32)[:: stride // 4]
        alike = (headers & ~np.uint32(_DISCARDED)) == (first & ~(_BUSY | _DISCARDED))
        count = len(alike) if alike.all() else int(np.argmin(alike))
        self._ours[0] = begin + count * stride
        return count

    def close(self) -> None:
        """Give the memory back; the map is the program's."""
        self._ours.close()
        self._theirs.close()
        self._consumer.close()
        self._producer.close()


class PerfBuffer:
    """A perf event that a program's output goes to, with its buffer: one for each CPU."""

    def __init__(self, cpu: int, size_bytes: int = _PERF_BYTES) -> None:
        self.fd = perf.output(cpu)
        self._size = size_bytes
        try:
            self._memory = mmap.mmap(self.fd, mmap.PAGESIZE + size_bytes)
        except OSError:
            os.close(self.fd)
            raise
        self._positions = _Positions(self._memory)

    def drain(self) -> int:
        """Take all records out; those that say how many were lost are not counted."""
        head, tail = self._positions[_HEAD], self._positions[_TAIL]
        if head == tail:
            return 0
        data = self._between(tail % self._size, head - tail)
        count = _count_samples(data)
        self._positions[_TAIL] = head
        return count

    def _between(self, start: int, length: int) -> bytes:
        base = mmap.PAGESIZE
        whole = self._memory[base + start : base + min(start + length, self._size)]
        return whole + self._memory[base : base + length - len(whole)]

    def close(self) -> None:
        """Give the memory and the event back."""
        self._positions.close()
        self._memory.close()
        os.close(self.fd)


def _count_samples(data: bytes) -> int:
    count = position = 0
    while position < len(data):
        kind, _, size = struct.unpack_from("=IHH", data, position)
        if kind != _PERF_RECORD_SAMPLE:
            position += size
            continue
        # Samples are alike: look at the rest of them at once.
        headers = np.frombuffer(data, np.uint64, len(data[position:]) // 8, position)[:: size // 8]
        alike = headers == headers[0]
        run = len(alike) if alike.all() else int(np.argmin(alike))
        count += run
        position += run * size
    return count


class Records:
    """The records of a program, all its buffers together.

    Parameters
    ----------
    rings : list of Ring
        Its buffers.

    Attributes
    ----------
    received : int
        Records taken out so far.
    """

    def __init__(self, rings: list[Ring]) -> None:
        self._rings = rings
        self.received = 0

    def drain(self) -> None:
        """Take out what is there, for a machine with no other CPU."""
        self.received += sum(ring.drain() for ring in self._rings)

    @contextmanager
    def consumed(self, cpus: set[int]) -> Iterator[None]:
        """Have a thread take records out while the block runs.

        Parameters
        ----------
        cpus : set of int
            Where it may run.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._consume, args=(cpus, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.drain()

    def _consume(self, cpus: set[int], stop: threading.Event) -> None:
        os.sched_setaffinity(threading.get_native_id(), cpus)
        with select.epoll() as poll:
            for ring in self._rings:
                poll.register(ring.fd, select.EPOLLIN)
            while not stop.is_set():
                poll.poll(_WAIT_S)
                self.drain()

    def close(self) -> None:
        """Give the buffers' memory back."""
        for ring in self._rings:
            ring.close()


def open_records(table: Any | None) -> Records | None:
    """Return the records of a program.

    Parameters
    ----------
    table : bcc table or None
        Its map ``events``.

    Returns
    -------
    Records or None
        None when it has no such map, or it is of another kind.

    Raises
    ------
    OverheadError
        The kernel refused a buffer.
    """
    if table is None:
        return None
    size = maps.dimensions(table.map_fd)
    rings: list[Ring] = []
    try:
        if size.kind == _RINGBUF:
            rings.append(RingBuffer(table.map_fd, size.max_entries))
        elif size.kind == _PERF_EVENT_ARRAY:
            for cpu in online_cpus():
                rings.append(PerfBuffer(cpu))
                table[ctypes.c_int(cpu)] = ctypes.c_int(rings[-1].fd)
    except OSError as error:
        for ring in rings:
            ring.close()
        raise explain(error, "mmap", "buffer for records") from error
    return Records(rings) if rings else None


def online_cpus(path: Path = Path("/sys/devices/system/cpu/online")) -> list[int]:
    """Return the CPUs that run."""
    cpus: list[int] = []
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus
