"""Entries of hash maps without a kernel: many in one call, and as many calls as it takes."""

from __future__ import annotations

import ctypes
import errno

import pytest
from fake_kernel import FakeKernel

from ebpf_overhead.bpf import map_entries
from ebpf_overhead.bpf.maps import Dimensions

END = FileNotFoundError(errno.ENOENT, "bpf")
FULL = OSError(errno.ENOSPC, "bpf")


@pytest.fixture
def kernel(monkeypatch):
    return FakeKernel(monkeypatch, 0)


def answering(kernel, *batches):
    """Have lookups answer with these keys, with 1, 2, 3 … as values, and positions a, b, c …."""
    left, places, seen = list(batches), iter(b"abc"), iter(range(1, 100))

    def fill(attribute):
        keys = left.pop(0)
        number = len(keys) // 3
        assert number <= attribute.count
        ctypes.memmove(attribute.keys, keys, len(keys))
        values = bytes(next(seen) for _ in range(number))
        ctypes.memmove(attribute.values, values, number)
        attribute.count = number
        kernel.came_from.append(attribute.in_batch and ctypes.string_at(attribute.in_batch, 1))
        ctypes.memset(attribute.out_batch, next(places), 1)

    kernel.came_from, kernel.fill = [], fill


def test_entries_of_a_small_map_take_one_call(monkeypatch):
    """The kernel says ENOENT when it reached the end of the map, and has filled all the same."""
    kernel = FakeKernel(monkeypatch, END)
    answering(kernel, b"onetwo")
    size = Dimensions(1, 3, 1, 5)
    assert map_entries.entries(9, size) == (b"onetwo", b"\1\2")
    ((command, attribute),) = kernel.calls
    assert command == 24
    assert (attribute.in_batch, attribute.count, attribute.map_fd) == (0, 5, 9)
    assert (attribute.elem_flags, attribute.flags) == (0, 0)


def test_a_large_map_is_read_on_from_where_it_was_left(monkeypatch):
    monkeypatch.setattr(map_entries, "_AT_ONCE", 2)
    kernel = FakeKernel(monkeypatch, 0, 0, END)
    answering(kernel, b"onetwo", b"six", b"tenred")
    size = Dimensions(1, 3, 1, 5)
    assert map_entries.entries(9, size) == (b"onetwosixtenred", b"\1\2\3\4\5")
    assert kernel.came_from == [0, b"a", b"b"]
    assert [attribute.count for _, attribute in kernel.calls] == [2, 2, 2]


def test_more_keys_of_one_hash_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(map_entries, "_AT_ONCE", 2)
    kernel = FakeKernel(monkeypatch, 0, FULL, END)
    answering(kernel, b"one", b"", b"twosixten")
    assert map_entries.keys(9, Dimensions(1, 3, 1, 5)) == b"onetwosixten"
    assert [attribute.count for _, attribute in kernel.calls] == [2, 2, 5]
    assert kernel.came_from == [0, b"a", b"a"]


def test_unreadable_map_names_the_command(monkeypatch):
    FakeKernel(monkeypatch, OSError(errno.EFAULT, "bpf"))
    with pytest.raises(OSError, match="BPF_MAP_LOOKUP_BATCH"):
        map_entries.keys(9, Dimensions(1, 4, 8, 5))


def test_map_update_names_keys_and_values(kernel):
    seen = []
    kernel.fill = lambda attribute: seen.extend(
        (ctypes.string_at(attribute.keys, 6), ctypes.string_at(attribute.values, 2))
    )
    map_entries.update(9, bytearray(b"onetwo"), bytearray(b"12"), 2)
    ((command, attribute),) = kernel.calls
    assert (command, attribute.count, attribute.map_fd) == (26, 2, 9)
    assert seen == [b"onetwo", b"12"]


def test_map_delete_names_every_key(kernel):
    keys = bytearray(b"onetwo")
    texts = []
    kernel.fill = lambda attribute: texts.append(ctypes.string_at(attribute.keys, 6))
    map_entries.delete(9, keys, key_bytes=3)
    ((command, attribute),) = kernel.calls
    assert (command, attribute.count, attribute.map_fd) == (27, 2, 9)
    assert texts == [b"onetwo"]


def test_deleting_no_keys_makes_no_call(kernel):
    map_entries.delete(9, bytearray(), key_bytes=3)
    assert kernel.calls == []
