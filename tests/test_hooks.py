"""Hooks on kernels that this machine does not run, and in builds that it does not have."""

from __future__ import annotations

import errno
import os

import pytest
from processes import open_descriptors

from ebpf_overhead.cases import TARGETS, select
from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks import kprobes, trampolines, uprobes


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
    monkeypatch.setattr(trampolines.bpf, "raw_tracepoint_open", old.raw_tracepoint_open)
    return old


def test_program_that_attaches_once_is_loaded_anew(kernel):
    prog_fd = kernel.load_program()
    before = open_descriptors()
    for _ in range(3):
        os.close(trampolines._attach(prog_fd, kernel.load_program))
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
        trampolines._attach(prog_fd, load_worn)
    os.close(prog_fd)


# uprobes: what is at the place


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A file with code at offset 3, said to be the extension of an x86_64 machine."""
    monkeypatch.setattr(uprobes.platform, "machine", lambda: "x86_64")

    def library(code: str):
        path = tmp_path / "library.so"
        path.write_bytes(b"\xcc\xcc\xcc" + bytes.fromhex(code))
        return lambda target: (str(path), f"symbol_of_{target}", 3)

    return library


def test_place_of_a_uprobe_is_where_the_instruction_is(library):
    locate = library("90c3")
    path, symbol, offset_bytes = uprobes.place(TARGETS["function"], locate)
    assert (symbol, offset_bytes) == ("symbol_of_function", 3)
    assert path.endswith("library.so")


def test_another_first_instruction_is_a_failure(library):
    words = r"symbol_of_function begins with f3, not with 90 \(nop\); build the extension anew"
    with pytest.raises(FailedError, match=words):
        uprobes.place(TARGETS["function"], library("f30f1efa90c3"))


def test_target_that_this_build_has_not_got(library, monkeypatch):
    monkeypatch.setattr(uprobes._workload, "TARGETS", ("function",))
    with pytest.raises(UnsupportedError, match="no target function_ret on x86_64"):
        uprobes.place(TARGETS["function_ret"], library("c3"))


# kprobes: which of the function's instructions is reached by a breakpoint


class Function:
    """A kernel function: offset -> how the kernel marks a kprobe there."""

    def __init__(self, marks: dict[int, str], listed: bool = True) -> None:
        self.marks = marks
        self.listed = listed
        self.on: dict[int, int] = {}

    def kprobe(self, pmu: int, symbol: str, offset: int) -> int:
        if offset not in self.marks:
            raise OSError(errno.EILSEQ, "perf_event_open")
        event_fd = os.memfd_create("event")
        self.on[event_fd] = offset
        return event_fd

    def enable(self, event_fd: int) -> None:
        self.enabled = self.on[event_fd]

    def read_text(self, fstype: str, path: str) -> str:
        assert (fstype, path) == ("debugfs", "kprobes/list")
        if not self.listed:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        offset = self.enabled
        return (
            f"ffffffff810e46d0  k  f+{offset:#x}0    [FTRACE]\n"
            f"ffffffff810e46d4  k  f+{offset:#x}    {self.marks[offset]}\n"
        )


@pytest.fixture
def function(monkeypatch):
    def function(*arguments, **options) -> Function:
        made = Function(*arguments, **options)
        monkeypatch.setattr(kprobes.perf, "kprobe", made.kprobe)
        monkeypatch.setattr(kprobes.perf, "enable", made.enable)
        monkeypatch.setattr(kprobes.pseudofs, "read_text", made.read_text)
        return made

    return function


def test_first_instruction_that_stays_a_breakpoint(function):
    # Debian's 6.12: ftrace's nop, three that are optimized, the call.
    optimized = dict.fromkeys((9, 17, 19), "[OPTIMIZED]")
    function({4: "[FTRACE]", **optimized, 24: "", 29: ""})
    before = open_descriptors()
    assert kprobes._breakpoint_offset(6, "f") == 24
    assert open_descriptors() == before


def test_function_with_no_such_instruction_says_what_there_is(function):
    function({4: "[FTRACE]", 9: "[OPTIMIZED]"})
    words = r"no instruction of f takes a kprobe by a breakpoint: \+0x4 \[FTRACE\], \+0x9 \[OPT"
    with pytest.raises(UnsupportedError, match=words):
        kprobes._breakpoint_offset(6, "f")


def test_what_cannot_be_told_is_not_taken_for_a_breakpoint(function):
    function({9: ""}, listed=False)
    with pytest.raises(UnsupportedError, match="cannot be told: debugfs kprobes/list"):
        kprobes._breakpoint_offset(6, "f")


# lsm


@pytest.mark.parametrize(("active", "names"), [("lockdown,yama\n", "lockdown, yama"), ("", "none")])
def test_security_hook_where_bpf_is_no_active_module(monkeypatch, active, names):
    """Attached it would be, and never run."""
    monkeypatch.setattr(trampolines.pseudofs, "read_text", lambda *_: active)
    (case,) = select(["lsm"], ["empty"])
    words = rf"bpf is none of the active security modules \({names}\); boot with lsm="
    with pytest.raises(UnsupportedError, match=words):
        trampolines.load_lsm(case, None)
