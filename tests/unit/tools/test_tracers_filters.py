"""Filters as constants of the tracers, and wrong ones."""

from __future__ import annotations

import os
import struct

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.programs.program_object import Constant
from ebpf_overhead.tools.tracers.filters import Filters, cgroup_root


def test_no_filter_costs_nothing():
    assert Filters().constants() == {}
    assert Filters().kinds == ()


def test_pid():
    assert Filters(pid=os.getpid()).constants()[Constant("WANTED_PID")] == os.getpid()
    with pytest.raises(BadUseError, match="no process has id 4194305"):
        Filters(pid=4194305).constants()  # above the greatest the kernel can give


def test_command_is_padded_to_the_size_in_the_kernel():
    first, second = struct.unpack("=QQ", b"postgres\0\0\0\0\0\0\0\0")
    assert Filters(command="postgres").constants() == {
        Constant("WANTED_COMMAND_FIRST", 64): first,
        Constant("WANTED_COMMAND_SECOND", 64): second,
    }


@pytest.mark.parametrize("name", ["", "x" * 16])
def test_command_name_of_an_impossible_length(name):
    with pytest.raises(BadUseError, match="bytes"):
        Filters(command=name).constants()


def test_cgroup_and_its_level(tmp_path):
    root = tmp_path / "cgroup"
    leaf = root / "system" / "service"
    leaf.mkdir(parents=True)
    for each in (root, root / "system", leaf):
        (each / "cgroup.procs").touch()
    (root / "cgroup.controllers").touch()
    assert cgroup_root(leaf) == (root, 2)
    assert Filters(cgroup=leaf).constants() == {
        Constant("WANTED_CGROUP", 64): leaf.stat().st_ino,
        Constant("WANTED_CGROUP_LEVEL"): 2,
    }


def test_not_a_cgroup(tmp_path):
    with pytest.raises(UnsupportedError, match="version 2"):
        Filters(cgroup=tmp_path).constants()
    with pytest.raises(BadUseError, match="not a directory"):
        Filters(cgroup=tmp_path / "none").constants()
