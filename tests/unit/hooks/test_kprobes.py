"""Which instruction of a function a breakpoint reaches, on other kernels than this machine's."""

from __future__ import annotations

import errno
import os

import pytest
from processes import open_descriptors

from ebpf_overhead.bpf import privileges
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError
from ebpf_overhead.hooks import kprobes
from ebpf_overhead.workload.workloads import WORKLOADS


class Function:
    """A kernel function: offset -> how the kernel marks a kprobe there."""

    def __init__(self, marks: dict[int, str], listed: bool = True, name: str = "f") -> None:
        self.name = name
        self.marks = marks
        self.listed = listed
        self.on: dict[int, int] = {}

    def kprobe(self, pmu: int, symbol: str, offset: int) -> int:
        if symbol != self.name:
            raise OSError(errno.ENOENT, "perf_event_open")
        if offset not in self.marks:
            raise OSError(errno.EILSEQ, "perf_event_open")
        event_fd = os.memfd_create("event")
        self.on[event_fd] = offset
        return event_fd

    def enable(self, event_fd: int) -> None:
        self.enabled = self.on[event_fd]

    def read_text(self, fstype: str, path: str) -> str:
        if (fstype, path) == ("securityfs", "lockdown"):
            raise FileNotFoundError(errno.ENOENT, "No such file")
        assert (fstype, path) == ("debugfs", "kprobes/list")
        if not self.listed:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        offset = self.enabled
        return (
            f"ffffffff810e46d0  k  {self.name}+{offset:#x}0    [FTRACE]\n"
            f"ffffffff810e46d4  k  {self.name}+{offset:#x}    {self.marks[offset]}\n"
        )


@pytest.fixture
def function(monkeypatch):
    def function(*arguments, **options) -> Function:
        made = Function(*arguments, **options)
        monkeypatch.setattr(kprobes.perf_event, "kprobe_pmu", lambda: 6)
        monkeypatch.setattr(kprobes.perf_event, "kprobe", made.kprobe)
        monkeypatch.setattr(kprobes.perf_event, "enable", made.enable)
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


def test_breakpoint_is_in_the_first_function_that_the_kernel_has(function):
    function({9: ""}, name="__se_sys_getpid")
    (point,) = kprobes.breakpoints(WORKLOADS["getpid"])
    assert str(point) == "__se_sys_getpid+0x9"


def test_no_function_of_the_system_call_is_there(function):
    function({9: ""}, name="other")
    with pytest.raises(UnsupportedError, match=r"__do_sys_getpid\+0x1 refused: .*ENOENT|refused"):
        next(kprobes.breakpoints(WORKLOADS["getpid"]))


def test_function_with_no_such_instruction_says_what_there_is(function):
    function({4: "[FTRACE]", 9: "[OPTIMIZED]"})
    words = r"no instruction of f takes a kprobe by a breakpoint: \+0x4 \[FTRACE\], \+0x9 \[OPT"
    with pytest.raises(UnsupportedError, match=words):
        kprobes._breakpoint_offset(6, "f")


def test_what_cannot_be_told_is_not_taken_for_a_breakpoint(function):
    function({9: ""}, listed=False)
    with pytest.raises(OverheadError, match="debugfs kprobes/list, which tells what"):
        kprobes._breakpoint_offset(6, "f")


@pytest.mark.parametrize("call", ["kprobe", "kprobes/list"])
def test_what_is_refused_names_the_capability(function, monkeypatch, call):
    made = function({9: ""}, listed=call == "kprobe")

    def refused(*arguments):
        raise OSError(errno.EACCES, "perf_event_open")

    if call == "kprobe":
        monkeypatch.setattr(kprobes.perf_event, "kprobe", refused)
    monkeypatch.setattr(privileges, "what_is_missing", str)
    monkeypatch.setattr(privileges, "effective_capabilities", lambda: {"CAP_BPF", "CAP_PERFMON"})
    with pytest.raises(RefusedError, match=r"refused: CAP_SYS_ADMIN missing"):
        kprobes._breakpoint_offset(6, made.name)
