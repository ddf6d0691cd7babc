"""Attaching against kernels that this machine does not run."""

from __future__ import annotations

import errno
import os

import pytest
from processes import open_descriptors

from ebpf_overhead import attach


class KernelBefore513:
    """A kernel that attaches a tracing program once in its life; programs are files."""

    def __init__(self) -> None:
        self.worn: set[int] = set()

    def load_program(self) -> int:
        return os.memfd_create("program")

    def raw_tracepoint_open(self, prog_fd: int, name: str | None) -> int:
        program = os.fstat(prog_fd).st_ino
        if program in self.worn:
            raise OSError(errno.ENOENT, "bpf(BPF_RAW_TRACEPOINT_OPEN)")
        self.worn.add(program)
        return os.memfd_create("link")


@pytest.fixture
def kernel(monkeypatch):
    old = KernelBefore513()
    monkeypatch.setattr(attach.bpf, "raw_tracepoint_open", old.raw_tracepoint_open)
    return old


def test_program_that_attaches_once_is_loaded_anew(kernel):
    prog_fd = kernel.load_program()
    before = open_descriptors()
    for _ in range(3):
        os.close(attach._trampoline_hook(prog_fd, kernel.load_program))
    assert len(kernel.worn) == 3
    assert not os.get_inheritable(prog_fd)
    assert open_descriptors() == before
    os.close(prog_fd)


def test_enoent_of_a_fresh_program_is_the_answer(kernel):
    prog_fd = kernel.load_program()
    kernel.worn.add(os.fstat(prog_fd).st_ino)

    def load_worn() -> int:
        return os.dup(prog_fd)

    with pytest.raises(FileNotFoundError):
        attach._trampoline_hook(prog_fd, load_worn)
    os.close(prog_fd)
