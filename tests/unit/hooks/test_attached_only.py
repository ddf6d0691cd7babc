"""Hooks that no workload calls: attached, detached, and said."""

from __future__ import annotations

import errno
import os

import pytest

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import attached_only
from ebpf_overhead.hooks.sections import placed
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.workloads import WORKLOADS

PROGRAM = LoadedProgram(-1, LoadedAs(ProgType.TRACING))


def opened(section: str) -> str:
    attach = placed(section).attach
    (point,) = attach.points(WORKLOADS["getpid"])
    with pytest.raises(UnsupportedError) as failed:
        attach.open(PROGRAM, point, False)
    return failed.value.what


@pytest.mark.parametrize("section", ["iter/task", "?iter.s/task"])
def test_iterator_is_attached_and_detached_again(monkeypatch, section):
    made = []

    def link(prog_fd, attach, target):
        assert (prog_fd, attach, target) == (-1, TraceAttachType.TRACE_ITER, 0)
        made.append(os.open("/dev/null", os.O_RDONLY))
        return made[-1]

    monkeypatch.setattr(attached_only.links, "to_number", link)
    assert "the kernel loads and attaches it; no workload here calls the hook" in opened(section)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(made[0])


def test_refusal_to_attach_is_said(monkeypatch):
    def refuse(prog_fd, attach, target):
        raise OSError(errno.EBADF, "bpf(BPF_LINK_CREATE)")

    monkeypatch.setattr(attached_only.links, "to_number", refuse)
    said = opened("iter/bpf_map_elem")
    assert said.startswith("the kernel loads it, and does not attach it (EBADF at bpf")
    assert said.endswith("no workload here calls the hook iter/bpf_map_elem")


def test_netkit_is_loaded_for_its_hook():
    attach = placed("netkit/primary").attach
    assert (attach.prog_type, attach.expected) == (
        ProgType.SCHED_CLS,
        TraceAttachType.NETKIT_PRIMARY,
    )


def test_a_function_table_is_put_in_place_in_a_guest_only(monkeypatch):
    done = []
    monkeypatch.setattr(PROGRAM, "try_out", lambda: done.append("tried"))
    assert "a guest attaches it" in opened("struct_ops/init")
    assert not done
    monkeypatch.setattr(clock, "current", lambda: clock.ICOUNT)
    assert "the kernel loads and attaches it;" in opened("struct_ops/init")
    assert done == ["tried"]


def test_other_hooks_are_only_loaded():
    assert opened("struct_ops/init").startswith("the kernel loads it; no workload here calls")
