"""Maps without a kernel: dimensions, keys, and what a full one means."""

from __future__ import annotations

import ctypes
import errno
import struct

import pytest
from fake_kernel import FakeKernel

from ebpf_overhead import bpf, maps
from ebpf_overhead.errors import FailedError
from ebpf_overhead.maps import Dimensions, MapType, MapUse


def fake(monkeypatch, kernel: FakeKernel) -> FakeKernel:
    monkeypatch.setattr(bpf, "_syscalls", kernel)
    monkeypatch.setattr(maps, "_syscalls", kernel)
    return kernel


@pytest.fixture
def kernel(monkeypatch):
    return fake(monkeypatch, FakeKernel(0))


def test_dimensions(kernel):
    def fill(attribute: bytearray) -> None:
        map_fd, size, address = struct.unpack_from("=IIQ", attribute)
        assert (map_fd, size) == (9, 80)
        ctypes.memmove(address, struct.pack("=IIIII", 5, 77, 40, 12, 1024), 20)

    kernel.fill = fill
    assert maps.dimensions(9) == Dimensions(5, 40, 12, 1024)
    assert kernel.calls[0][0] == 15


@pytest.mark.parametrize(
    ("kind", "is_hash", "evicts", "stored_bytes"),
    [
        (MapType.HASH, True, False, 12),
        (MapType.LRU_HASH, True, True, 12),
        (MapType.PERCPU_HASH, True, False, 16 * 4),
        (MapType.LRU_PERCPU_HASH, True, True, 16 * 4),
        (2, False, False, 12),  # an array
    ],
)
def test_kinds_of_map(monkeypatch, kind, is_hash, evicts, stored_bytes):
    monkeypatch.setattr(maps, "possible_cpus", lambda: 4)
    size = Dimensions(kind, 4, 12, 16)
    assert (size.is_hash, size.evicts, size.stored_bytes) == (is_hash, evicts, stored_bytes)


@pytest.mark.parametrize(("text", "cpus"), [("0\n", 1), ("0-3\n", 4), ("0-3,8-15\n", 16)])
def test_possible_cpus(tmp_path, text, cpus):
    path = tmp_path / "possible"
    path.write_text(text)
    assert maps.possible_cpus(path) == cpus


def test_possible_cpus_of_a_machine_that_does_not_say(tmp_path):
    assert maps.possible_cpus(tmp_path / "none") >= 1


@pytest.mark.parametrize("end", [True, False])
def test_map_keys_are_fetched_in_one_call(monkeypatch, end):
    """The kernel says ENOENT when it reached the end of the map, and has filled all the same."""
    kernel = FakeKernel(FileNotFoundError(errno.ENOENT, "bpf") if end else 0)
    fake(monkeypatch, kernel)

    def fill(attribute: bytearray) -> None:
        begin, _, keys, values, count, map_fd, elem_flags, flags = struct.unpack_from(
            "=QQQQIIQQ", attribute
        )
        assert (begin, count, map_fd, elem_flags, flags) == (0, 5, 9, 0, 0)
        ctypes.memmove(keys, b"onetwo", 6)
        ctypes.memset(values, 0xFF, 8 * 5)
        struct.pack_into("=I", attribute, 32, 2)

    kernel.fill = fill
    assert maps.keys(9, Dimensions(1, 3, 8, 5)) == b"onetwo"
    assert kernel.calls[0][0] == 24


def test_map_that_cannot_be_read(monkeypatch):
    fake(monkeypatch, FakeKernel(OSError(errno.EFAULT, "bpf")))
    with pytest.raises(OSError, match="BPF_MAP_LOOKUP_BATCH"):
        maps.keys(9, Dimensions(1, 4, 8, 5))


def test_map_delete_names_every_key(kernel):
    keys = bytearray(b"onetwo")
    texts: list[bytes] = []
    kernel.fill = lambda attribute: texts.append(
        ctypes.string_at(struct.unpack_from("=Q", attribute, 16)[0], 6)
    )
    maps.delete(9, keys, key_bytes=3)
    ((command, attribute),) = kernel.calls
    assert command == 27
    assert texts == [b"onetwo"]
    assert struct.unpack_from("=II", attribute, 32) == (2, 9)


def test_nothing_to_delete_is_no_call(kernel):
    maps.delete(9, bytearray(), key_bytes=3)
    assert kernel.calls == []


def test_lost_updates_are_a_failure():
    with pytest.raises(FailedError) as caught:
        MapUse(16, 16, 3).check("mine", "do this")
    assert str(caught.value) == "mine lost 3 updates: map full with 16 entries; do this"


def test_what_cannot_fill_fails_for_another_reason():
    with pytest.raises(FailedError, match=r"mine failed to do its work 3 times \(lost_updates\)"):
        MapUse(None, None, 3).check("mine", "do this")


def test_another_map_in_the_place_of_one():
    def load(registers: int, value: int) -> bytes:
        return struct.pack("=BBhi", 0x18, registers, 0, value) + bytes(8)

    # Of descriptor 9: as a map, as a number, and as another map's.
    code = load(0x12, 9) + load(0x02, 9) + load(0x12, 8)
    assert maps.replaced(code, 9, 77) == load(0x12, 77) + load(0x02, 9) + load(0x12, 8)


def test_prog_array(kernel):
    kernel.answers = [9, 0]
    maps.new_prog_array()
    maps.put_program(9, 33)
    (create, made), (update, put) = kernel.calls
    assert (create, update) == (0, 2)
    assert struct.unpack_from("=IIII", made) == (3, 4, 4, 1)
    assert struct.unpack_from("=I", put) == (9,)


def test_full_map_whose_program_counts_nothing_is_a_failure():
    with pytest.raises(FailedError, match=r"filled its map of 16 .*; do this, and count failed"):
        MapUse(16, 16, None).check("mine", "do this")


@pytest.mark.parametrize(
    "use", [MapUse(16, 16, 0), MapUse(16, 15, None), MapUse(16, 16, None, True)]
)
def test_maps_that_are_all_right(use):
    use.check("mine", "do this")
