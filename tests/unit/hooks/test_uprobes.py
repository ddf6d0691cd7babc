"""Where a uprobe on a workload goes, in builds that this machine does not have."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.hooks import uprobes
from ebpf_overhead.workload.workloads import WORKLOADS


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A file with code at offset 3, said to be the extension of an x86_64 machine."""
    monkeypatch.setattr(uprobes.platform, "machine", lambda: "x86_64")

    def library(code: str, targets: tuple[str, ...] = tuple(WORKLOADS)):
        path = tmp_path / "library.so"
        path.write_bytes(b"\xcc\xcc\xcc" + bytes.fromhex(code))
        located = SimpleNamespace(
            WORKLOADS=targets, workload_symbol=lambda name: (str(path), f"symbol_of_{name}", 3)
        )
        monkeypatch.setattr(uprobes, "_workload", located)

    return library


def test_point_of_a_uprobe_is_where_the_instruction_is(library):
    library("90c3")
    (point,) = uprobes.own_function(WORKLOADS["function"])
    assert (str(point), point.offset_bytes, point.pid) == ("symbol_of_function", 3, os.getpid())
    assert point.path.endswith("library.so")


def test_another_first_instruction_is_a_failure(library):
    words = r"symbol_of_function begins with f3, not with 90 \(nop\); build the extension again"
    library("f30f1efa90c3")
    with pytest.raises(FailedError, match=words):
        next(uprobes.own_function(WORKLOADS["function"]))


def test_target_that_this_build_has_not_got(library):
    library("c3", targets=("function",))
    with pytest.raises(UnsupportedError, match="no workload function_ret on x86_64"):
        next(uprobes.own_function(WORKLOADS["function_ret"]))
