"""Attributes of programs that are loaded, without calling the kernel."""

from __future__ import annotations

import ctypes
import errno
import os

import pytest
from fake_kernel import FakeKernel, given

from ebpf_overhead.bpf import loading
from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType

TWO_INSTRUCTIONS = bytes.fromhex("b700000000000000") + bytes.fromhex("9500000000000000")


@pytest.fixture
def kernel(monkeypatch):
    return FakeKernel(monkeypatch, 42)


def test_prog_load_asks_for_a_tracing_program(kernel):
    licences = kernel.texts("license")
    fd = loading.prog_load(
        TWO_INSTRUCTIONS, ProgType.TRACING, TraceAttachType.FENTRY, 1234, "simple"
    )
    assert fd == 42
    ((command, attribute),) = kernel.calls
    assert command == 5
    assert licences == [b"GPL"]
    fields = given(attribute)
    assert ctypes.string_at(fields.pop("insns"), 16) == TWO_INSTRUCTIONS
    assert fields.pop("license")
    assert fields == {
        "prog_type": 26,
        "insn_cnt": 2,
        "prog_name": b"simple",
        "expected_attach_type": 24,
        "attach_btf_id": 1234,
    }, "nothing else is asked, no log on the first try"


def test_prog_name_is_cut_and_stays_terminated(kernel):
    loading.prog_load(TWO_INSTRUCTIONS, ProgType.KPROBE, name="a" * 40)
    ((_, attribute),) = kernel.calls
    assert attribute.prog_name == b"a" * 15
    assert attribute.prog_type == 2


def test_refused_program_is_reloaded_for_the_log_of_the_verifier(monkeypatch):
    refusal = OSError(errno.EACCES, "bpf: Permission denied")
    kernel = FakeKernel(monkeypatch, refusal, refusal)

    def write_log(attribute):
        if attribute.log_buf:
            ctypes.memmove(attribute.log_buf, b"R0 invalid mem access\n\0", 23)

    kernel.fill = write_log
    with pytest.raises(loading.VerifierRejection) as caught:
        loading.prog_load(TWO_INSTRUCTIONS, ProgType.TRACING)
    assert caught.value.log == "R0 invalid mem access"
    assert caught.value.errno == errno.EACCES
    assert "BPF_PROG_LOAD" in str(caught.value)
    _, second = kernel.calls[1]
    assert second.log_level == 1
    assert second.log_size >= 1 << 16


def test_characters_that_the_kernel_does_not_accept_are_replaced(kernel):
    loading.prog_load(TWO_INSTRUCTIONS, ProgType.KPROBE, name="my pröbe-1.c")
    assert kernel.calls[0][1].prog_name == b"my_pr_be_1.c"


@pytest.mark.parametrize("too_long", [False, True])
def test_log_of_an_accepted_program(monkeypatch, too_long):
    read, write = os.pipe()
    result = OSError(errno.ENOSPC, "bpf: log too short") if too_long else read
    kernel = FakeKernel(monkeypatch, result)

    def write_log(attribute):
        assert attribute.log_level == 2, "at level 1 the kernel keeps the last line only"
        ctypes.memmove(attribute.log_buf, b"0: (b7) r0 = 0\n\0", 16)

    kernel.fill = write_log
    assert loading.prog_log(TWO_INSTRUCTIONS, ProgType.KPROBE) == "0: (b7) r0 = 0"
    os.close(write)
    if too_long:
        os.close(read)
    else:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(read)


def test_second_try_may_succeed(monkeypatch):
    """The kernel says EAGAIN when it is disturbed: that is no rejection."""
    FakeKernel(monkeypatch, OSError(errno.EAGAIN, "busy"), 7)
    assert loading.prog_load(TWO_INSTRUCTIONS, ProgType.TRACING) == 7


def test_program_with_a_callback_is_loaded_with_type_information(monkeypatch):
    information = os.open(os.devnull, os.O_RDONLY)
    kernel = FakeKernel(monkeypatch, information, 42)
    callback = bytes.fromhex("1841000001000000") + bytes(8)  # the address of the next instruction
    assert loading.prog_load(callback + TWO_INSTRUCTIONS, ProgType.KPROBE) == 42
    (first, load_btf), (second, load) = kernel.calls
    assert (first, second) == (18, 5)
    assert load_btf.btf_size > 24
    assert (load.prog_btf_fd, load.func_info_cnt, load.func_info_rec_size) == (information, 2, 8)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(information)
