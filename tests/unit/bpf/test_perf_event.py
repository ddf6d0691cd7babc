"""Attributes of perf_event_open(2) and of links, without calling the kernel."""

from __future__ import annotations

import ctypes
import os

import pytest
from fake_kernel import FakeKernel, given

from ebpf_overhead.bpf import links, perf_event
from ebpf_overhead.bpf.syscall import TraceAttachType


@pytest.fixture
def kernel(monkeypatch):
    return FakeKernel(monkeypatch, 42)


def test_tracepoint(kernel):
    assert perf_event.tracepoint(321) == 42
    ((attribute, pid, cpu, group, flags),) = kernel.perf_calls
    assert given(attribute) == {"type": 2, "size": 112, "config": 321, "sample_period": 1}
    assert ctypes.sizeof(attribute) == 112
    assert (pid, cpu, group, flags) == (-1, 0, -1, 8)


@pytest.mark.parametrize("at_return", [False, True])
def test_kprobe_names_the_symbol(kernel, at_return):
    names = kernel.texts("config1")
    perf_event.kprobe(6, "__do_sys_getpid", 4, at_return)
    ((attribute, pid, cpu, *_),) = kernel.perf_calls
    assert (attribute.type, attribute.size) == (6, 112)
    assert (attribute.config, attribute.sample_period) == (int(at_return), 1)
    assert names == [b"__do_sys_getpid"]
    assert attribute.config2 == 4
    assert (pid, cpu) == (-1, 0)


@pytest.mark.parametrize("at_return", [False, True])
@pytest.mark.parametrize(("process", "whose"), [(1234, (1234, -1)), (None, (-1, 0))])
def test_uprobe_is_of_one_process_or_of_every_one(kernel, at_return, process, whose):
    paths = kernel.texts("config1")
    perf_event.uprobe(9, "/lib/a.so", 0x2D70, at_return, process)
    ((attribute, pid, cpu, *_),) = kernel.perf_calls
    assert (attribute.type, attribute.size) == (9, 112)
    assert (attribute.config, attribute.sample_period) == (int(at_return), 1)
    assert paths == [b"/lib/a.so"]
    assert attribute.config2 == 0x2D70
    assert (pid, cpu) == whose


def test_counter_is_never_shared_and_takes_no_samples(kernel):
    perf_event.instructions()
    ((attribute, pid, cpu, *_),) = kernel.perf_calls
    assert given(attribute) == {"size": 112, "config": 1, "pinned": 1, "exclude_hv": 1}
    assert (pid, cpu) == (0, -1)


def test_refused_program_closes_the_event():
    event_fd = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(OSError, match="PERF_EVENT_IOC_SET_BPF"):
        perf_event.attach(event_fd, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(event_fd)


@pytest.mark.parametrize("at_return", [False, True])
def test_kprobe_multi(kernel, at_return):
    names = []

    def look(attribute):
        array = ctypes.c_uint64.from_address(attribute.kprobe_multi.syms)
        names.append(ctypes.string_at(array.value))

    kernel.fill = look
    assert links.kprobe_multi(7, TraceAttachType.TRACE_KPROBE_MULTI, ["getpid"], at_return) == 42
    ((command, attribute),) = kernel.calls
    assert (command, attribute.prog_fd, attribute.attach_type) == (28, 7, 42)
    fields = given(attribute.kprobe_multi)
    assert fields.pop("syms")
    assert fields == {"cnt": 1, **({"flags": 1} if at_return else {})}
    assert names == [b"getpid"]


def test_tracing_multi(kernel):
    ids = []

    def look(attribute):
        array = ctypes.c_uint32 * attribute.tracing_multi.cnt
        ids.extend(array.from_address(attribute.tracing_multi.ids))

    kernel.fill = look
    assert links.tracing_multi(7, TraceAttachType.TRACE_FEXIT_MULTI, [58, 3]) == 42
    ((command, attribute),) = kernel.calls
    assert (command, attribute.prog_fd, attribute.attach_type) == (28, 7, 60)
    assert ids == [58, 3]


@pytest.mark.parametrize("at_return", [False, True])
def test_uprobe_multi(kernel, at_return):
    seen = []

    def look(attribute):
        offset = ctypes.c_uint64.from_address(attribute.uprobe_multi.offsets).value
        seen.append((ctypes.string_at(attribute.uprobe_multi.path), offset))

    kernel.fill = look
    kind = TraceAttachType.TRACE_UPROBE_SESSION
    assert links.uprobe_multi(7, kind, "/lib/a.so", [0x2D70], 1234, at_return) == 42
    ((command, attribute),) = kernel.calls
    assert (command, attribute.prog_fd, attribute.attach_type) == (28, 7, 57)
    fields = given(attribute.uprobe_multi)
    assert fields.pop("path") != fields.pop("offsets")
    assert fields == {"cnt": 1, "pid": 1234, **({"flags": 1} if at_return else {})}
    assert seen == [(b"/lib/a.so", 0x2D70)]
