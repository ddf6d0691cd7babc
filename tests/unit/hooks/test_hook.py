"""A hook is attached, detached and reloaded, also where a kernel attaches a program only once."""

from __future__ import annotations

import errno
import os

import pytest
from processes import open_descriptors

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import trampolines
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.hook import Hook, Site, attach
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram


class KernelBefore513:
    """A kernel that attaches a tracing program once in its life; programs are files."""

    def __init__(self) -> None:
        self.worn: set[int] = set()
        self.always_worn = False

    def load(self, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        return LoadedProgram(os.memfd_create("program"), loaded_as)

    def raw_tracepoint_open(self, prog_fd: int, name: str | None) -> int:
        program = os.fstat(prog_fd).st_ino
        if self.always_worn or program in self.worn:
            raise OSError(errno.ENOENT, "bpf(BPF_RAW_TRACEPOINT_OPEN)")
        self.worn.add(program)
        return os.memfd_create("link")


@pytest.fixture
def kernel(monkeypatch):
    old = KernelBefore513()
    monkeypatch.setattr(trampolines.syscall, "raw_tracepoint_open", old.raw_tracepoint_open)
    monkeypatch.setattr(trampolines.btf, "find_id", lambda name, kind: 7)
    return old


FENTRY = Site(ATTACH_TYPES["fentry"], AttachPoint("f"))


def test_program_that_attaches_once_is_reloaded(kernel):
    before = open_descriptors()
    with Hook(FENTRY, kernel.load) as hook:
        for _ in range(3):
            hook.attach()
            assert not os.get_inheritable(hook.program.fd)
            hook.detach()
        assert len(kernel.worn) == 3
        assert hook.program.loaded_as.btf_id == 7
    assert open_descriptors() == before


def test_enoent_of_a_fresh_program_is_the_answer(kernel):
    kernel.always_worn = True
    before = open_descriptors()
    with pytest.raises(
        UnsupportedError, match="ENOENT at attach: fentry:f refused: no f is here, or nothing"
    ):
        attach(FENTRY, kernel.load)
    assert open_descriptors() == before


def test_reloading_replaces_the_program_and_lets_go_of_the_old_one(kernel):
    with Hook(FENTRY, kernel.load) as hook:
        before, first = open_descriptors(), hook.program
        again = hook.load_again()
        assert again is not first
        again.close()
        hook.reload()
        assert hook.program is not first
        assert first.fd == -1
        assert open_descriptors() == before
        first.close()  # does nothing the second time
        assert os.fstat(hook.program.fd)
