"""Attributes of bpf(2), without calling the kernel."""

from __future__ import annotations

import errno

import pytest
from fake_kernel import FakeKernel, answer, given

from ebpf_overhead.bpf import syscall
from ebpf_overhead.bpf.infos import BpfProgInfo


@pytest.fixture
def kernel(monkeypatch):
    return FakeKernel(monkeypatch, 42)


def test_raw_tracepoint_open(kernel):
    names = kernel.texts("name")
    assert syscall.raw_tracepoint_open(9, "sys_enter") == 42
    ((command, attribute),) = kernel.calls
    assert command == 17
    assert names == [b"sys_enter"]
    assert attribute.prog_fd == 9


def test_raw_tracepoint_open_of_a_program_loaded_for_its_hook(kernel):
    syscall.raw_tracepoint_open(9, None)
    assert given(kernel.calls[0][1]) == {"prog_fd": 9}


def test_enable_stats_asks_for_run_time(kernel):
    assert syscall.enable_stats() == 42
    ((command, attribute),) = kernel.calls
    assert command == 32
    assert given(attribute) == {}  # BPF_STATS_RUN_TIME is 0


@pytest.mark.parametrize(("known", "misses"), [(248, 5), (232, 5), (216, 5), (208, None)])
def test_prog_info_reads_shorter_and_longer_answers(kernel, known, misses):
    """A kernel answers with as much as it knows, and with no more than it is given room for."""
    told = BpfProgInfo(id=77, run_time_ns=9, run_cnt=1 << 40, recursion_misses=5)

    def fill(attribute):
        assert attribute.bpf_fd == 9
        attribute.info_len = answer(attribute.info, min(known, attribute.info_len), told)

    kernel.fill = fill
    assert syscall.prog_info(9) == syscall.ProgInfo(77, 1 << 40, misses, 9)
    assert kernel.calls[0][0] == 15


def test_failed_call_names_its_command(monkeypatch):
    FakeKernel(monkeypatch, OSError(errno.EPERM, "bpf: no"))
    with pytest.raises(PermissionError, match=r"bpf\(BPF_ENABLE_STATS\)"):
        syscall.enable_stats()
