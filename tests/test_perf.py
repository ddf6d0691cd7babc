"""Attributes of perf_event_open(2), and of links to several places, byte by byte."""

from __future__ import annotations

import ctypes
import os
import struct

import pytest
from fake_kernel import FakeKernel

from ebpf_overhead import bpf, links, perf
from ebpf_overhead.bpf import TraceAttachType


@pytest.fixture
def kernel(monkeypatch):
    fake = FakeKernel(42)
    for module in (bpf, links, perf):
        monkeypatch.setattr(module, "_syscalls", fake)
    return fake


def text_behind(kernel: FakeKernel, offset: int) -> list[bytes]:
    """Collect the texts that a pointer of the attribute shows, as the kernel would."""
    seen: list[bytes] = []

    def look(attribute: bytes) -> None:
        (address,) = struct.unpack_from("=Q", attribute, offset)
        seen.append(ctypes.string_at(address))

    kernel.fill = look
    return seen


def test_tracepoint(kernel):
    assert perf.tracepoint(321) == 42
    ((attribute, pid, cpu, group, flags),) = kernel.perf_calls
    assert struct.unpack_from("=IIQQ", attribute) == (2, 112, 321, 1)
    assert len(attribute) == 112
    assert not any(attribute[24:])
    assert (pid, cpu, group, flags) == (-1, 0, -1, 8)


@pytest.mark.parametrize("at_return", [False, True])
def test_kprobe_names_the_symbol(kernel, at_return):
    names = text_behind(kernel, offset=56)
    perf.kprobe(6, "__do_sys_getpid", 4, at_return)
    ((attribute, pid, cpu, *_),) = kernel.perf_calls
    assert struct.unpack_from("=IIQQ", attribute) == (6, 112, int(at_return), 1)
    assert names == [b"__do_sys_getpid"]
    assert struct.unpack_from("=Q", attribute, 64) == (4,)
    assert (pid, cpu) == (-1, 0)


@pytest.mark.parametrize("at_return", [False, True])
def test_uprobe_is_limited_to_this_process(kernel, at_return):
    paths = text_behind(kernel, offset=56)
    perf.uprobe(9, "/lib/a.so", 0x2D70, at_return)
    ((attribute, pid, cpu, *_),) = kernel.perf_calls
    assert struct.unpack_from("=IIQQ", attribute) == (9, 112, int(at_return), 1)
    assert paths == [b"/lib/a.so"]
    assert struct.unpack_from("=Q", attribute, 64) == (0x2D70,)
    assert (pid, cpu) == (0, -1)


def test_refused_program_closes_the_event():
    event_fd = os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(OSError, match="PERF_EVENT_IOC_SET_BPF"):
        perf.attach(event_fd, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(event_fd)


# Offsets are those of `link_create` in `union bpf_attr`: the first four fields are common.
@pytest.mark.parametrize("at_return", [False, True])
def test_kprobe_multi(kernel, at_return):
    names = []

    def look(attribute: bytes) -> None:
        (array,) = struct.unpack_from("=Q", attribute, 24)
        names.append(ctypes.string_at(ctypes.c_uint64.from_address(array).value))

    kernel.fill = look
    assert links.kprobe_multi(7, TraceAttachType.TRACE_KPROBE_MULTI, "getpid", at_return) == 42
    ((command, attribute),) = kernel.calls
    assert command == 28
    assert struct.unpack_from("=IIIIII", attribute) == (7, 0, 42, 0, int(at_return), 1)
    assert names == [b"getpid"]
    assert not any(attribute[32:])


@pytest.mark.parametrize("at_return", [False, True])
def test_uprobe_multi(kernel, at_return):
    seen = []

    def look(attribute: bytes) -> None:
        path, offsets = struct.unpack_from("=QQ", attribute, 16)
        seen.append((ctypes.string_at(path), ctypes.c_uint64.from_address(offsets).value))

    kernel.fill = look
    kind = TraceAttachType.TRACE_UPROBE_SESSION
    assert links.uprobe_multi(7, kind, "/lib/a.so", 0x2D70, 1234, at_return) == 42
    ((command, attribute),) = kernel.calls
    assert command == 28
    assert struct.unpack_from("=IIII", attribute) == (7, 0, 57, 0)
    assert seen == [(b"/lib/a.so", 0x2D70)]
    assert struct.unpack_from("=QQIII", attribute, 32) == (0, 0, 1, int(at_return), 1234)
    assert not any(attribute[60:])
