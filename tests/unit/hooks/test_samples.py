"""Events of several CPUs that one descriptor keeps open."""

from __future__ import annotations

import os

import pytest
from processes import open_descriptors

from ebpf_overhead.hooks import samples
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES


def test_what_one_descriptor_holds_stays_open_until_it_is_closed():
    ends = [os.pipe() for _ in range(300)]  # more than one message takes
    held = samples._held([end for _, end in ends])
    for _, end in ends:
        os.close(end)
    for reading, _ in ends:
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):  # somebody may still write
            os.read(reading, 1)
    os.close(held)
    for reading, _ in ends:
        assert os.read(reading, 1) == b""
        os.close(reading)


def test_each_cpu_has_an_event_of_its_own(monkeypatch):
    row, opened, program = ATTACH_TYPES["perf_event_fault"], [], type("Program", (), {"fd": 9})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2})
    monkeypatch.setattr(
        samples.perf_event,
        "page_fault",
        lambda cpu: opened.append(cpu) or os.open(os.devnull, os.O_RDONLY),
    )
    monkeypatch.setattr(samples.perf_event, "attach", lambda event, program: event)
    before = open_descriptors()
    os.close(row.open(program, next(row.points(None)), False))
    assert opened == [0, 2]
    assert open_descriptors() == before
