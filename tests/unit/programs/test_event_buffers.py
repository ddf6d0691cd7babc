"""Ring and perf buffers, written by the test instead of by a kernel."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import threading

import pytest
from processes import environment

from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.programs import event_buffers, event_rings
from ebpf_overhead.programs.event_buffers import Buffer, BufferUse, EventBuffers
from ebpf_overhead.programs.event_rings import PerfBuffer, RingBuffer

PAGE = mmap.PAGESIZE
BUSY, DISCARDED = 1 << 31, 1 << 30


@pytest.fixture
def memory():
    """A file in memory: what the kernel would map."""
    fd = os.memfd_create("buffer")
    os.ftruncate(fd, 4 * PAGE)
    yield fd
    os.close(fd)


class Kernel:
    """The kernel's side of a ring buffer of one page."""

    def __init__(self, fd: int) -> None:
        self.memory = mmap.mmap(fd, 4 * PAGE)
        self.produced = 0

    def put(self, length: int, flags: int = 0) -> int:
        position = 2 * PAGE + self.produced
        struct.pack_into("=I", self.memory, position, length | flags)
        self.produced += -(-(length + 8) // 8) * 8
        struct.pack_into("=Q", self.memory, PAGE, self.produced)
        return position

    @property
    def consumed(self) -> int:
        return struct.unpack_from("=Q", self.memory)[0]


@pytest.fixture
def ring(memory):
    ring = RingBuffer(memory, PAGE)
    yield ring, Kernel(memory)
    ring.close()


def test_ring_is_emptied(ring):
    buffer, kernel = ring
    assert buffer.drain() == 0
    for length in (16, 16, 16, 20, 20, 16):
        kernel.put(length)
    assert buffer.drain() == 6
    assert kernel.consumed == kernel.produced
    assert buffer.drain() == 0


def test_record_that_is_being_written_is_left_and_what_follows_it(ring):
    buffer, kernel = ring
    kernel.put(16)
    open_record = kernel.put(16, BUSY)
    kernel.put(16)
    assert buffer.drain() == 1
    assert kernel.consumed == 24
    struct.pack_into("=I", kernel.memory, open_record, 16 | DISCARDED)
    assert buffer.drain() == 2


def test_position_is_never_seen_half_written(ring):
    """A kernel that saw a zero would take the buffer for full, and lose a record."""
    buffer, kernel = ring
    buffer._ours[0] = 1 << 40
    seen, stop = set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(kernel.consumed)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20_000):
        buffer._ours[0] = 1 << 40
    stop.set()
    watcher.join()
    assert seen == {1 << 40}


def sample(size: int = 32, kind: int = 9) -> bytes:
    return struct.pack("=IHH", kind, 0, size) + bytes(size - 8)


def lost(number: int) -> bytes:
    return struct.pack("=IHHQQ", 2, 0, 24, 7, number)


def test_samples_are_counted_and_so_is_what_records_of_losses_say():
    assert event_rings._count_samples(b"") == (0, 0)
    assert event_rings._count_samples(sample() * 5) == (5, 0)
    data = sample() * 2 + lost(4) + sample(48) * 3 + sample() + lost(1000)
    assert event_rings._count_samples(data) == (6, 1004)


@pytest.mark.parametrize(("records", "full"), [(2, 0), (3, 1)])
def test_ring_without_room_for_another_record_is_found_full(ring, records, full):
    buffer, kernel = ring
    for _ in range(records):
        kernel.put(1352)  # with its header a third of the page
    assert (buffer.drain(), buffer.full) == (records, full)


@pytest.fixture
def perf(memory, monkeypatch):
    monkeypatch.setattr(event_rings.perf_event, "output", lambda cpu: os.dup(memory))
    buffer = PerfBuffer(0, size_bytes=PAGE)
    yield buffer, mmap.mmap(memory, 2 * PAGE)
    buffer.close()


def test_perf_buffer_is_emptied_around_its_end(perf):
    buffer, kernel = perf
    data, start = sample(32) * 3, 2 * PAGE - 40  # positions only grow; the memory is a ring
    for index, byte in enumerate(data):
        kernel[PAGE + (start + index) % PAGE] = byte
    struct.pack_into("=QQ", kernel, 1024, start + len(data), start)
    assert buffer.drain() == 3
    assert buffer.lost == 0
    assert struct.unpack_from("=QQ", kernel, 1024) == (start + 96, start + 96)
    assert buffer.drain() == 0


def test_consumer_takes_out_what_comes_and_the_rest_at_the_end(ring):
    buffer, kernel = ring
    taken = EventBuffers([Buffer("out", [buffer])])
    read, write = os.pipe()  # what an epoll can wait for, other than a file
    buffer.fd = read
    allowed = os.sched_getaffinity(0)
    with taken.emptied(allowed):
        kernel.put(16)
        os.write(write, b"x")
        for _ in range(200):
            if taken.received:
                break
            threading.Event().wait(0.05)
        assert taken.received == 1
        stop_waking = os.read(read, 1)
        kernel.put(16)
    assert stop_waking == b"x"
    assert taken.received == 2
    assert taken.uses() == [BufferUse("out", records=2, lost=0, full=0)]
    assert os.sched_getaffinity(0) == allowed, "the measuring thread stays where it was"
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(("text", "cpus"), [("0\n", [0]), ("0-2,5\n", [0, 1, 2, 5])])
def test_online_cpus(tmp_path, text, cpus):
    path = tmp_path / "online"
    path.write_text(text)
    assert event_buffers.online_cpus(path) == cpus


OPEN = """
import sys
from ebpf_overhead.bpf import maps
from ebpf_overhead.programs import event_buffers
kind = maps.MapType(int(sys.argv[1]))
event_buffers.maps.dimensions = lambda fd: maps.Dimensions(kind, 0, 0, 4096)
event_buffers.RingBuffer = event_buffers.PerfBuffer = lambda *_: None
event_buffers.online_cpus = lambda: []
print("numpy" in sys.modules, end=" ")
event_buffers.open_event_buffers({"mine": 9}, {"mine"})
print("numpy" in sys.modules)
"""


@pytest.mark.parametrize("kind", [MapType.RINGBUF, MapType.PERF_EVENT_ARRAY, MapType.HASH])
def test_reader_has_all_it_needs_before_the_first_record(kind):
    """Importing NumPy takes longer than filling a buffer does; records would be lost."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(int(kind))],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["False", str(kind != MapType.HASH)], done.stderr


@pytest.fixture
def kinds(monkeypatch):
    """Maps whose descriptor says their kind, and rings that are only counted."""

    class Opened:
        def __init__(self, *what: object) -> None:
            self.fd = 1

    monkeypatch.setattr(event_buffers.maps, "dimensions", lambda fd: Dimensions(fd, 4, 4, 4096))
    monkeypatch.setattr(event_buffers.maps, "put", lambda *what: None)
    monkeypatch.setattr(event_buffers, "RingBuffer", Opened)
    monkeypatch.setattr(event_buffers, "PerfBuffer", Opened)
    monkeypatch.setattr(event_buffers, "online_cpus", lambda: [0, 1])


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        ({"out"}, ["ring", "out"]),
        ({""}, ["ring", "out", "counters"]),
        (set(), ["ring"]),
    ],
)
def test_every_buffer_has_a_reader_whatever_its_name(kinds, outputs, names):
    """But arrays of perf events that a program reads counters of are none."""
    fds = {
        "ring": MapType.RINGBUF,
        "counts": MapType.HASH,
        "out": MapType.PERF_EVENT_ARRAY,
        "counters": MapType.PERF_EVENT_ARRAY,
    }
    opened = event_buffers.open_event_buffers(fds, outputs)
    assert [each.name for each in opened._buffers] == names
    assert [len(each.rings) for each in opened._buffers][:2] == [1, 2][: len(names)]


def test_program_without_events_has_no_records(kinds):
    assert event_buffers.open_event_buffers({"counts": MapType.HASH}, {""}) is None
