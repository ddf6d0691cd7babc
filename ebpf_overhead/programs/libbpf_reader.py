"""An event buffer read by libbpf, as tools read theirs: asleep until it is woken up, or not."""

from __future__ import annotations

import ctypes
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ebpf_overhead.bpf import _syscalls, perf_event
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError
from ebpf_overhead.programs import libbpf_api

# Of each CPU, as most tools have it.
_PERF_PAGES = 64
_STOP, _RECORDS, _LOST = range(3)
# ``read_events`` of the timed loops: poll, consume, buffer, sleep_ns, words.
ReadEvents = Callable[[int, int, int, int, memoryview], None]


class LibbpfBuffer(Closing):
    """A ring or perf buffer in libbpf's hands.

    Parameters
    ----------
    map_fd : int
        Descriptor of the program's map.
    wakeup_events : int or None
        How many records wake the reader up, of a perf buffer; None for a ring buffer, where the
        program says.
    callback : int
        Address of what libbpf calls for each record; it counts them.

    Raises
    ------
    MissingToolError
        There is no libbpf.
    FailedError
        It cannot open the buffer.
    """

    def __init__(self, map_fd: int, wakeup_events: int | None, callback: int) -> None:
        self._api = libbpf_api.api()
        self._kind = "ring_buffer" if wakeup_events is None else "perf_buffer"
        self._memory = bytearray(3 * 8)
        self.words = memoryview(self._memory).cast("Q")
        context = _syscalls.address(self._memory)
        if wakeup_events is None:
            found = self._api.ring_buffer__new(map_fd, callback, context, None)
        else:
            attribute = perf_event.output_attribute(wakeup_events)
            found = self._api.perf_buffer__new_raw(
                map_fd, _PERF_PAGES, ctypes.addressof(attribute), callback, context, None
            )
        if not found:
            raise FailedError(f"libbpf cannot open the {self._kind.replace('_', ' ')}")
        self.pointer: int = found

    @property
    def records(self) -> int:
        """Records taken out so far."""
        return self.words[_RECORDS]

    @property
    def lost(self) -> int:
        """Records that found no room, as far as a perf buffer tells its reader."""
        return self.words[_LOST]

    def function(self, name: str) -> int:
        """Return the address of ``poll`` or ``consume`` for this buffer."""
        function = self._function(name)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    def consume(self) -> None:
        """Take out all records now."""
        self._function("consume")(self.pointer)

    def close(self) -> None:
        """Release the memory of the buffer."""
        pointer, self.pointer = self.pointer, 0
        if pointer:
            self._function("free")(pointer)

    def _function(self, name: str) -> Any:
        return getattr(self._api, f"{self._kind}__{name}")


class ReadingThread:
    """The calling thread as one that reads a buffer: what the kernel says of it, for others."""

    def __init__(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._status = Path(f"/proc/self/task/{threading.get_native_id()}/status")

    def cpu_ns(self) -> int:
        """Return its CPU time so far."""
        return time.clock_gettime_ns(self._clock)

    def waits(self) -> int:
        """Return how often it gave the CPU away because it waited."""
        line = next(each for each in self._status.read_text().splitlines() if "voluntary" in each)
        return int(line.split()[1])


@contextmanager
def reading(
    buffer: LibbpfBuffer, read: ReadEvents, cpus: Set[int], sleep_ns: int | None
) -> Iterator[ReadingThread]:
    """Have a thread read the buffer while the block runs.

    Parameters
    ----------
    buffer : LibbpfBuffer
        What it reads.
    read : callable
        Reads until it is told to stop.
    cpus : set of int
        Where it may run.
    sleep_ns : int or None
        How long it sleeps between two looks at the buffer; None to be woken up.

    Raises
    ------
    OSError
        Reading failed; raised when the block has ended.
    """
    failures: list[OSError] = []
    begun: queue.SimpleQueue[ReadingThread] = queue.SimpleQueue()
    poll, consume = (
        (buffer.function("poll"), 0) if sleep_ns is None else (0, buffer.function("consume"))
    )

    def run() -> None:
        thread = ReadingThread()  # made here: a thread that has ended has no clock
        try:
            os.sched_setaffinity(0, cpus)
            begun.put(thread)
            read(poll, consume, buffer.pointer, sleep_ns or 0, buffer.words)
        except OSError as error:
            failures.append(error)
            begun.put(thread)

    buffer.words[_STOP] = 0
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield begun.get()
    finally:
        buffer.words[_STOP] = 1
        thread.join()
    if failures:
        raise failures[0]
