"""What the running kernel tells of real programs, maps and links, against ``/proc/self/fdinfo``.

Needs root: it loads and attaches a program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from ctypes import c_uint8
from pathlib import Path

import pytest

from ebpf_overhead.bpf import infos, loading, maps, objects, structures, syscall
from ebpf_overhead.bpf.structures import BpfInsn
from ebpf_overhead.tools.top import attachments

MOVE = BpfInsn(0xB7)  # r0 = 0
EXIT = BpfInsn(0x95)


def fdinfo(fd: int) -> dict[str, str]:
    text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))


@pytest.fixture
def map_fd() -> Iterator[int]:
    fd = maps.create(maps.Dimensions(maps.MapType.HASH, 4, 16, 100), "a_map")
    yield fd
    os.close(fd)


@pytest.fixture
def prog_fd(map_fd) -> Iterator[int]:
    use = BpfInsn(structures.LOAD_64, 1, structures.PSEUDO_MAP_FD, 0, map_fd)
    code = b"".join(map(bytes, (use, BpfInsn(), MOVE, EXIT)))
    fd = loading.prog_load(code, syscall.ProgType.RAW_TRACEPOINT, name="structures")
    yield fd
    os.close(fd)


def test_program_is_what_its_descriptor_says(prog_fd):
    said = fdinfo(prog_fd)
    number = int(said["prog_id"])
    assert syscall.prog_info(prog_fd).prog_id == number
    with syscall.counting_runs():
        link = syscall.raw_tracepoint_open(prog_fd, "sys_enter")
        os.getppid()
        os.close(link)
    found, said = objects.programs()[number], fdinfo(prog_fd)
    assert found.kind == syscall.ProgType(int(said["prog_type"])).name.lower()
    assert (found.name, found.tag) == ("structures", said["prog_tag"])
    assert found.run_count > 0
    assert found.run_time_ns > 0
    counts = {
        "run_cnt": found.run_count,
        "run_time_ns": found.run_time_ns,
        "recursion_misses": found.missed,  # since Linux 5.12
    }
    assert {name: int(said[name]) for name in counts if name in said}.items() <= counts.items()
    told = syscall.prog_info(prog_fd)
    assert (told.run_count, told.run_time_ns) == (found.run_count, found.run_time_ns)
    assert told.recursion_misses == (found.missed if "recursion_misses" in said else None)


def test_map_is_what_its_descriptor_says(map_fd, prog_fd):
    said = fdinfo(map_fd)
    told = infos.BpfMapInfo()
    syscall.object_info(map_fd, told)
    fields = ("map_type", "key_size", "value_size", "max_entries")
    assert [told.type, told.key_size, told.value_size, told.max_entries] == [
        int(said[name]) for name in fields
    ]
    assert maps.dimensions(map_fd) == maps.Dimensions(1, 4, 16, 100)
    program = objects.programs()[syscall.prog_info(prog_fd).prog_id]
    assert program.map_ids == (told.id,)


def test_link_is_what_its_descriptor_says(prog_fd):
    fd = syscall.raw_tracepoint_open(prog_fd, "sys_enter")
    try:
        said = fdinfo(fd)
        told = infos.BpfLinkInfo()
        syscall.object_info(fd, told)
        assert (told.prog_id, attachments._link_name(told.type)) == (
            *(int(said["prog_id"]), said["link_type"]),
        )
        found = attachments.link(told.id)
        assert found.attachment == attachments.Attachment("raw_tracepoint", "sys_enter")
    finally:
        os.close(fd)


def test_elements_of_an_array_are_put_and_looked_up():
    fd = maps.create(maps.Dimensions(2, 4, 8, 3), "array")
    try:
        maps.put(fd, 2, b"12345678")
        assert [maps.lookup(fd, key) for key in range(3)] == [bytes(8), bytes(8), b"12345678"]
    finally:
        os.close(fd)


def test_longer_structure_than_the_kernels_is_taken():
    """Newer fields than the kernel's are zero, which it allows, and not filled."""

    class Longer(infos.BpfMapInfo):
        _fields_ = (("unknown", c_uint8 * 2048),)

    fd = maps.create(maps.Dimensions(2, 4, 8, 3))
    try:
        told = Longer()
        length_bytes = syscall.object_info(fd, told)
        assert told.max_entries == 3
        assert structures.filled(told, "max_entries", length_bytes)
        assert not structures.filled(told, "unknown", length_bytes)
    finally:
        os.close(fd)
