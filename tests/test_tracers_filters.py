"""Filters as definitions for the tracers, and wrong ones."""

from __future__ import annotations

import os
import struct

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.tracers.filters import Filters, cgroup_root


def test_no_filter_costs_nothing():
    assert Filters().definitions() == []
    assert Filters().kinds == ()


def test_pid():
    assert f"WANTED_PID={os.getpid()}" in Filters(pid=os.getpid()).definitions()
    with pytest.raises(BadUseError, match="no process has id 4194305"):
        Filters(pid=4194305).definitions()  # above the greatest the kernel can give


def test_command_is_padded_to_what_the_kernel_compares():
    first, second = struct.unpack("=QQ", b"postgres\0\0\0\0\0\0\0\0")
    assert Filters(command="postgres").definitions() == [
        f"WANTED_COMMAND_FIRST={first}ULL",
        f"WANTED_COMMAND_SECOND={second}ULL",
    ]


@pytest.mark.parametrize("name", ["", "x" * 16])
def test_command_of_a_length_that_no_task_has(name):
    with pytest.raises(BadUseError, match="bytes"):
        Filters(command=name).definitions()


def test_cgroup_and_how_far_below_the_root_it_is(tmp_path):
    root = tmp_path / "cgroup"
    leaf = root / "system" / "service"
    leaf.mkdir(parents=True)
    for each in (root, root / "system", leaf):
        (each / "cgroup.procs").touch()
    (root / "cgroup.controllers").touch()
    assert cgroup_root(leaf) == (root, 2)
    assert Filters(cgroup=leaf).definitions() == [
        f"WANTED_CGROUP={leaf.stat().st_ino}ULL",
        "WANTED_CGROUP_LEVEL=2",
    ]


def test_not_a_cgroup(tmp_path):
    with pytest.raises(UnsupportedError, match="version 2"):
        Filters(cgroup=tmp_path).definitions()
    with pytest.raises(BadUseError, match="not a directory"):
        Filters(cgroup=tmp_path / "none").definitions()
