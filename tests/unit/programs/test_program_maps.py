"""The maps of a program: who closes their descriptors."""

from __future__ import annotations

import os

from ebpf_overhead.programs.program_maps import ProgramMaps


def test_descriptors_are_closed_with_the_object():
    maps = ProgramMaps({})
    reading, maps.fds["to"] = os.pipe()
    del maps
    assert os.read(reading, 1) == b"", "nobody can write any more"
    os.close(reading)


def test_a_forked_process_closes_none_of_them():
    """Their numbers may be those of other files there."""
    maps = ProgramMaps({})
    reading, maps.fds["to"] = os.pipe()
    writing = maps.fds["to"]
    child = os.fork()
    if child == 0:
        del maps
        os._exit(os.write(writing, b"x") - 1)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reading, 1) == b"x"
    os.close(reading)
