"""Ring and perf buffers that programs write, and reading them: one ring each."""

from __future__ import annotations

import mmap
import os
from ctypes import c_uint64, sizeof
from typing import Protocol

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.bpf.structures import PerfEventHeader, PerfMmapPage, RingbufHeader

# Flags in a ring buffer's record header, of include/uapi/linux/bpf.h.
_BUSY, _DISCARDED = 1 << 31, 1 << 30
_HEAD, _TAIL = PerfMmapPage.data_head.offset, PerfMmapPage.data_tail.offset
_PERF_RECORD_LOST, _PERF_RECORD_SAMPLE = 2, 9  # enum perf_event_type
_LOST_AT = sizeof(PerfEventHeader) + 8  # after the event's id
_PERF_BYTES = 4 << 20


class Ring(Protocol):
    """A buffer that a program writes and this process reads.

    Attributes
    ----------
    fd : int
        What becomes readable when there are records.
    lost : int
        Records that found no room, as far as the kernel tells.
    full : int
        How often there was no room for another record when they were taken out.
    """

    fd: int
    lost: int
    full: int

    def drain(self) -> int:
        """Take out all records and return their number."""

    def close(self) -> None:
        """Release the memory."""


class _Positions:
    """Positions in memory that the kernel reads and writes at the same time.

    Each is read and written as a whole.  ``struct`` would write zeros first, and with the
    reader's position at zero the kernel takes the buffer for full.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._words = memoryview(memory).cast("B").cast("Q")

    def __getitem__(self, offset_bytes: int) -> int:
        return self._words[offset_bytes // 8]

    def __setitem__(self, offset_bytes: int, value: int) -> None:
        self._words[offset_bytes // 8] = value

    def close(self) -> None:
        """Release the memory."""
        self._words.release()


class RingBuffer:
    """A map of type ``BPF_MAP_TYPE_RINGBUF``.

    The kernel shows the data twice, one after the other, so that no record is torn.
    """

    def __init__(self, map_fd: int, size_bytes: int) -> None:
        self.fd = map_fd
        self.lost = self.full = 0
        self._mask = size_bytes - 1
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(map_fd, page)
        self._producer = mmap.mmap(map_fd, page + 2 * size_bytes, prot=mmap.PROT_READ, offset=page)
        self._ours, self._theirs = _Positions(self._consumer), _Positions(self._producer)

    def drain(self) -> int:
        """Take out all complete records."""
        taken = 0
        while count := self._drain_alike():
            taken += count
        return taken

    def _drain_alike(self) -> int:
        """Take out the records that follow each other with the length of the first one."""
        import numpy as np  # slow to import, and most programs have no buffers

        begin, end = self._ours[0], self._theirs[0]
        if begin == end:
            return 0
        start = mmap.PAGESIZE + (begin & self._mask)
        data = self._producer[start : start + end - begin]
        first = RingbufHeader.from_buffer_copy(data).len
        stride = -(-((first & ~(_BUSY | _DISCARDED)) + sizeof(RingbufHeader)) // 8) * 8
        headers = np.frombuffer(data, np.uint32)[:: stride // 4]
        alike = (headers & ~np.uint32(_DISCARDED)) == (first & ~(_BUSY | _DISCARDED))
        count = len(alike) if alike.all() else int(np.argmin(alike))
        # What found no room was written since the last records were taken out.
        self.full += self._theirs[0] - begin + stride > self._mask + 1
        self._ours[0] = begin + count * stride
        return count

    def close(self) -> None:
        """Release the memory; the map belongs to the program."""
        self._ours.close()
        self._theirs.close()
        self._consumer.close()
        self._producer.close()


class PerfBuffer:
    """A perf event that receives a program's output on one CPU, with its buffer."""

    def __init__(self, cpu: int, size_bytes: int = _PERF_BYTES) -> None:
        self.fd = perf_event.output(cpu)
        self.lost = self.full = 0
        self._size = size_bytes
        try:
            self._memory = mmap.mmap(self.fd, mmap.PAGESIZE + size_bytes)
        except OSError:
            os.close(self.fd)
            raise
        self._positions = _Positions(self._memory)

    def drain(self) -> int:
        """Take out all records; those that tell of losses are counted in ``lost``."""
        head, tail = self._positions[_HEAD], self._positions[_TAIL]
        if head == tail:
            return 0
        data = self._between(tail % self._size, head - tail)
        count, lost = _count_samples(data)
        self.lost += lost
        self._positions[_TAIL] = head
        return count

    def _between(self, start: int, length: int) -> bytes:
        base = mmap.PAGESIZE
        whole = self._memory[base + start : base + min(start + length, self._size)]
        return whole + self._memory[base : base + length - len(whole)]

    def close(self) -> None:
        """Release the memory and the event."""
        self._positions.close()
        self._memory.close()
        os.close(self.fd)


def _count_samples(data: bytes) -> tuple[int, int]:
    """Return how many samples there are, and how many the kernel says it lost."""
    import numpy as np

    count = lost = position = 0
    while position < len(data):
        header = PerfEventHeader.from_buffer_copy(data, position)
        size = header.size
        if header.type == _PERF_RECORD_LOST:
            lost += c_uint64.from_buffer_copy(data, position + _LOST_AT).value
        if header.type != _PERF_RECORD_SAMPLE:
            position += size
            continue
        # Samples are alike: look at the rest of them at once.
        headers = np.frombuffer(data, np.uint64, len(data[position:]) // 8, position)[:: size // 8]
        alike = headers == headers[0]
        run = len(alike) if alike.all() else int(np.argmin(alike))
        count += run
        position += run * size
    return count, lost
