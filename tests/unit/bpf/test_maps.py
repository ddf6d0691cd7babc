"""Maps without a kernel: dimensions, keys, and the meaning of a full map."""

from __future__ import annotations

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
