"""Queues and stacks without a kernel: full is what takes nothing more."""

from __future__ import annotations

import errno

import pytest

from ebpf_overhead.bpf import queues
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.bpf.syscall import BpfCommand

SIZE = Dimensions(MapType.QUEUE, 0, 8, 3)


class Queue:
    """A queue in the kernel, of three values."""

    def __init__(self, values: int) -> None:
        self.values = values

    def call(self, command, attribute):
        assert (attribute.map_fd, bool(attribute.value)) == (9, True)
        if command == BpfCommand.MAP_UPDATE_ELEM:
            if self.values == SIZE.max_entries:
                raise OSError(errno.E2BIG, "full")
            self.values += 1
        elif command == BpfCommand.MAP_LOOKUP_AND_DELETE_ELEM:
            if not self.values:
                raise FileNotFoundError
            self.values -= 1


@pytest.mark.parametrize(("values", "full"), [(0, False), (2, False), (3, True)])
def test_full_is_what_takes_nothing_more_and_stays_as_it_is(monkeypatch, values, full):
    queue = Queue(values)
    monkeypatch.setattr(queues, "call", queue.call)
    assert queues.is_full(9, SIZE) == full
    assert queue.values == values
    queues.clear(9, SIZE)
    assert queue.values == 0


def test_which_maps_they_are():
    kinds = [kind for kind in MapType if queues.is_queue(Dimensions(kind, 4, 8, 3))]
    assert kinds == [MapType.QUEUE, MapType.STACK]
