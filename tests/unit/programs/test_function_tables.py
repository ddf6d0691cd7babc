"""Function tables: put in place once, and taken away again."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.programs import function_tables
from ebpf_overhead.programs.function_tables import FunctionTable
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram

DATA = {"name": "mine", "value": "00" * 32, "places": [[8, "begin"], [24, "end"]], "linked": False}
MAP_FD = -7


@pytest.fixture
def done(monkeypatch):
    """What the kernel is asked, in order."""
    done = []
    monkeypatch.setattr(function_tables.maps, "put", lambda *put: done.append(("put", *put)))
    monkeypatch.setattr(function_tables.maps, "remove", lambda *key: done.append(("remove", *key)))

    def link(*link):
        done.append(("link", *link))
        return os.open(os.devnull, os.O_RDONLY)

    monkeypatch.setattr(function_tables.links, "to_number", link)
    return done


def load(loaded, name):
    program = LoadedProgram(os.open(os.devnull, os.O_RDONLY), LoadedAs(ProgType.STRUCT_OPS))
    loaded[name] = (program, program.fd)
    return program


def test_functions_are_put_where_they_belong_and_taken_away(done):
    loaded = {}
    FunctionTable.of_data(DATA).try_out(MAP_FD, lambda name: load(loaded, name))
    value = struct.pack("=4Q", 0, loaded["begin"][1], 0, loaded["end"][1])
    assert done == [("put", MAP_FD, 0, value), ("remove", MAP_FD, 0)]
    assert all(program.fd == -1 for program, _ in loaded.values()), "nothing stays loaded"


def test_a_link_puts_a_table_in_place_whose_map_says_so(done):
    FunctionTable.of_data({**DATA, "linked": True}).try_out(MAP_FD, lambda name: load({}, name))
    assert [each[0] for each in done] == ["put", "link"]
    assert done[1] == ("link", MAP_FD, TraceAttachType.STRUCT_OPS, 0)


def test_it_is_done_once_and_a_refusal_is_said_each_time(done, monkeypatch):
    def refuse(*put):
        done.append("put")
        raise OSError(errno.EINVAL, "bpf(BPF_MAP_UPDATE_ELEM)")

    monkeypatch.setattr(function_tables.maps, "put", refuse)
    table = FunctionTable.of_data(DATA)
    for _ in range(2):
        with pytest.raises(OSError, match="MAP_UPDATE_ELEM"):
            table.try_out(MAP_FD, lambda name: load({}, name))
    assert done == ["put"]


@pytest.mark.parametrize("offset", [-8, 25, 1 << 40])
def test_functions_lie_within_their_table(offset):
    with pytest.raises(ValueError, match="outside of its table"):
        FunctionTable.of_data({**DATA, "places": [[offset, "begin"]]})


def test_whose_function_it_is():
    table = FunctionTable.of_data(DATA)
    assert table.has("begin")
    assert not table.has("other")
