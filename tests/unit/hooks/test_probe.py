"""The point of a case is found by trying, and nothing stays behind of what was tried."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from processes import open_descriptors

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks import probe as probes
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.insn import Insn
from ebpf_overhead.programs.loaded import LoadedProgram

EXIT = Insn(0x95)
EMPTY = Code(bytes(EXIT), {})
(FENTRY,) = select(["fentry"], ["empty"])


class Kernel:
    """Has some functions, some of them in its BTF; a program or a hook is a file."""

    def __init__(self, functions=(), in_btf=(), code=EMPTY):
        self.code = code
        self.functions = functions
        self.in_btf = in_btf
        self.opened = []

    def find(self, point):
        if point.name not in self.in_btf:
            raise UnsupportedError(f"{point} not in the kernel's BTF")
        return 1 + self.in_btf.index(point.name)

    def load(self, loaded_as, what):
        return LoadedProgram(os.memfd_create("program"), loaded_as)

    def open(self, program, point, at_return):
        self.opened.append((point.name, at_return))
        if point.name not in self.functions:
            raise OSError(errno.EINVAL, "bpf(BPF_RAW_TRACEPOINT_OPEN)")
        return os.memfd_create("link")

    def probe(self, **row):
        def points(workload):
            return (AttachPoint(name) for name in ("first", "second", "third"))

        attach = replace(FENTRY.attach, points=points, find=self.find, open=self.open, **row)
        compiled = SimpleNamespace(
            name="mine.c", load=self.load, flow=self.code, helpers=self.code.helpers
        )
        return probes.load(replace(FENTRY, attach=attach), compiled)


@pytest.fixture(autouse=True)
def everything_is_given_back():
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def test_first_point_that_the_kernel_takes():
    kernel = Kernel(functions=("third",), in_btf=("second", "third"))
    with kernel.probe() as probe:
        assert probe.hook == "third"
        assert probe.program.loaded_as.btf_id == 2
        assert not probe.attached
        assert kernel.opened == [("second", False), ("third", False)]


def test_program_is_attached_at_the_return_where_its_row_says_so():
    kernel = Kernel(functions=("first",), in_btf=("first",))
    with kernel.probe(moment="return"):
        assert kernel.opened == [("first", True)]


def test_point_that_needs_no_trying_is_not_attached_when_it_is_loaded():
    kernel = Kernel(in_btf=("first",))
    with kernel.probe(tried=False) as probe:
        assert kernel.opened == []
        with pytest.raises(UnsupportedError, match="EINVAL at attach: fentry refused"):
            probe.attach()


@pytest.mark.parametrize(
    ("in_btf", "words"),
    [
        ((), "third not in the kernel's BTF"),
        (("second",), "EINVAL at attach: fentry refused"),
        (("first", "third"), "EINVAL at attach: fentry refused"),
    ],
)
def test_reason_is_the_first_that_is_no_missing_name(in_btf, words):
    with pytest.raises(UnsupportedError, match=words):
        Kernel(in_btf=in_btf).probe()


@pytest.mark.parametrize(("number", "name"), [(109, "send_signal"), (117, "send_signal_thread")])
def test_program_that_sends_signals_is_refused_before_it_is_loaded(number, name):
    """It would end this process, and whoever else makes the call."""
    kernel = Kernel(functions=("first",), in_btf=("first",))
    kernel.code = Code(bytes(Insn(0x85, imm=number)) + bytes(EXIT), {})
    with pytest.raises(FailedError) as caught:
        kernel.probe()
    assert str(caught.value) == (
        f"mine.c calls bpf_{name}: the signal would go to whoever makes the call, this process"
        " first; measure it without the signal"
    )
    assert kernel.opened == []


@pytest.mark.parametrize(("offset", "beyond"), [(8, False), (9, True), (16, True)])
def test_program_that_reads_beyond_the_record_says_what_it_reads(offset, beyond):
    """The kernel says no more than EACCES, as if privileges were missing."""
    kernel = Kernel(in_btf=("first",))
    kernel.code = Code(bytes(Insn(0x79, 2, 1, offset)) + bytes(EXIT), {})
    probe = kernel.probe(tried=False, record_bytes=lambda point: 16)
    with probe, pytest.raises((FailedError, UnsupportedError)) as caught:
        probe.attach()
    words = f"mine.c reads 8 bytes at offset {offset} of the record of first, which has 16"
    assert (caught.value.what == words) == beyond
    assert caught.value.remedy == (
        "choose a workload whose call has that argument: --workload" if beyond else ""
    )
