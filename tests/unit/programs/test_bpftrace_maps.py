"""What is taken over of bpftrace: the types of the script's programs, and of no other."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.programs import bpftrace_maps
from ebpf_overhead.programs.bpftrace_maps import ScriptMaps


def test_types_of_programs_that_try_the_kernel_are_not_handed_on(monkeypatch):
    """bpftrace 0.23 loads such programs first, with types of their own."""
    fds: dict[int, int] = {}

    def taken_over(process_fd: int, fd: int) -> int:
        assert fd not in fds, "each is taken over once"
        fds[fd] = os.open(os.devnull, os.O_RDONLY)
        return fds[fd]

    monkeypatch.setattr(bpftrace_maps, "taken_over", taken_over)
    with ScriptMaps(0) as maps:
        for fd, number in ((5, 31), (6, 44), (7, 44)):
            maps.note_types(fd, number)
        assert maps.handed_on((), 44) == ({}, fds[6])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fds[5])
    os.close(fds[6])
