"""Finding types in the kernel's BTF: the answers of libbpf and their meaning."""

from __future__ import annotations

import errno

import pytest

from ebpf_overhead.bpf import btf
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import UnsupportedError


class FakeLibbpf:
    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, int]] = []

    def libbpf_find_vmlinux_btf_id(self, name: bytes, attach: int) -> int:
        self.asked.append((name, attach))
        return self.answer


@pytest.fixture
def find(monkeypatch, tmp_path):
    """Look a name up in a made-up kernel whose libbpf gives one answer."""

    def find(answer: int, name: str = "sys_enter"):
        vmlinux = tmp_path / "vmlinux"
        vmlinux.touch()
        library = FakeLibbpf(answer)
        monkeypatch.setattr(btf, "VMLINUX_BTF", vmlinux)
        monkeypatch.setattr(btf, "_libbpf", lambda: library)
        # Past the cache: every test has a kernel of its own.
        found = btf.find_id.__wrapped__(name, TraceAttachType.RAW_TP)
        assert library.asked == [(name.encode(), 23)]
        return found

    return find


def test_found(find):
    assert find(4711) == 4711


def test_missing_name_gives_none(find):
    assert find(-errno.ENOENT) is None


def test_unreadable_btf_gives_the_reason_of_the_system(find):
    with pytest.raises(UnsupportedError, match="kernel BTF cannot be read: Permission denied"):
        find(-errno.EACCES)


def test_kernel_without_btf(monkeypatch, tmp_path):
    monkeypatch.setattr(btf, "VMLINUX_BTF", tmp_path / "vmlinux")
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF=y"):
        btf.find_id.__wrapped__("sys_enter", TraceAttachType.RAW_TP)


def test_type_name_with_a_libbpf_that_is_too_old(monkeypatch):
    monkeypatch.setattr(btf, "_libbpf", lambda: FakeLibbpf(0))
    assert btf.type_name.__wrapped__(1, 2) is None


def test_type_name_of_btf_that_is_gone(monkeypatch):
    monkeypatch.setattr(btf, "_object_name", lambda object_id: None)
    assert btf.type_name.__wrapped__(4711, 2) is None
