"""Maps without a kernel: dimensions, keys, and the meaning of a full map."""

from __future__ import annotations

import ctypes
import errno

import pytest
from fake_kernel import FakeKernel, answer, given

from ebpf_overhead.bpf import maps
from ebpf_overhead.bpf.infos import BpfMapInfo
from ebpf_overhead.bpf.maps import Dimensions, MapType


@pytest.fixture
def kernel(monkeypatch):
    return FakeKernel(monkeypatch, 0)


def test_dimensions(kernel):
    def fill(attribute):
        assert attribute.bpf_fd == 9
        told = BpfMapInfo(type=5, id=77, key_size=40, value_size=12, max_entries=1024)
        attribute.info_len = answer(attribute.info, attribute.info_len, told)

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
        (MapType.PERCPU_ARRAY, False, False, 16 * 4),
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


def test_possible_cpus_are_read_once(tmp_path):
    """A counted process would otherwise run the probes that count its reads."""
    path = tmp_path / "possible"
    path.write_text("0-3\n")
    assert maps.possible_cpus(path) == 4
    path.unlink()
    assert maps.possible_cpus(path) == 4


def test_possible_cpus_without_the_file(tmp_path):
    assert maps.possible_cpus(tmp_path / "none") >= 1


@pytest.mark.parametrize("end", [True, False])
def test_map_keys_are_fetched_in_one_call(monkeypatch, end):
    """The kernel says ENOENT when it reached the end of the map, and has filled all the same."""
    kernel = FakeKernel(monkeypatch, FileNotFoundError(errno.ENOENT, "bpf") if end else 0)

    def fill(attribute):
        ctypes.memmove(attribute.keys, b"onetwo", 6)
        ctypes.memset(attribute.values, 0xFF, 8 * 5)
        attribute.count = 2

    kernel.fill = fill
    assert maps.keys(9, Dimensions(1, 3, 8, 5)) == b"onetwo"
    ((command, attribute),) = kernel.calls
    assert command == 24
    assert (attribute.in_batch, attribute.count, attribute.map_fd) == (0, 5, 9)
    assert (attribute.elem_flags, attribute.flags) == (0, 0)


def test_unreadable_map_names_the_command(monkeypatch):
    FakeKernel(monkeypatch, OSError(errno.EFAULT, "bpf"))
    with pytest.raises(OSError, match="BPF_MAP_LOOKUP_BATCH"):
        maps.keys(9, Dimensions(1, 4, 8, 5))


def test_map_update_names_keys_and_values(kernel):
    seen = []
    kernel.fill = lambda attribute: seen.extend(
        (ctypes.string_at(attribute.keys, 6), ctypes.string_at(attribute.values, 2))
    )
    maps.update(9, bytearray(b"onetwo"), bytearray(b"12"), 2)
    ((command, attribute),) = kernel.calls
    assert (command, attribute.count, attribute.map_fd) == (26, 2, 9)
    assert seen == [b"onetwo", b"12"]


def test_map_delete_names_every_key(kernel):
    keys = bytearray(b"onetwo")
    texts = []
    kernel.fill = lambda attribute: texts.append(ctypes.string_at(attribute.keys, 6))
    maps.delete(9, keys, key_bytes=3)
    ((command, attribute),) = kernel.calls
    assert (command, attribute.count, attribute.map_fd) == (27, 2, 9)
    assert texts == [b"onetwo"]


def test_deleting_no_keys_makes_no_call(kernel):
    maps.delete(9, bytearray(), key_bytes=3)
    assert kernel.calls == []


def test_create_passes_all_parameters(kernel):
    size = Dimensions(MapType.HASH, 4, 8, 1024)
    maps.create(size, "name_of_20_characters", flags=1, btf=maps.BtfTypes(5, 6, 7))
    ((command, attribute),) = kernel.calls
    assert command == 0
    assert given(attribute) == {
        **{"map_type": 1, "key_size": 4, "value_size": 8, "max_entries": 1024, "map_flags": 1},
        **{"map_name": b"name_of_20_char", "btf_fd": 5},
        **{"btf_key_type_id": 6, "btf_value_type_id": 7},
    }


@pytest.mark.parametrize("number", [524, errno.EINVAL])
def test_map_of_a_kind_that_takes_no_types(monkeypatch, number):
    """ENOTSUPP, for maps of programs, events and stacks; nothing else is tried again."""
    made = []

    def refuse_types(command, attribute):
        made.append(attribute.btf_fd)
        if attribute.btf_fd:
            raise OSError(number, "bpf(BPF_MAP_CREATE)")
        return 9

    monkeypatch.setattr(maps, "call", refuse_types)
    size, types = Dimensions(MapType.PROG_ARRAY, 4, 4, 1), maps.BtfTypes(5, 6, 7)
    if number == errno.EINVAL:
        with pytest.raises(OSError, match="BPF_MAP_CREATE"):
            maps.create(size, btf=types)
        assert made == [5]
    else:
        assert maps.create(size, btf=types) == 9
        assert made == [5, 0]
