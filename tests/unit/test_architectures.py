"""What differs between architectures."""

from __future__ import annotations

import platform

import pytest

from ebpf_overhead import architectures
from ebpf_overhead.architectures import AARCH64, ARCHITECTURES, X86_64
from ebpf_overhead.errors import UnsupportedError


@pytest.mark.parametrize(("machine", "row"), [("x86_64", X86_64), ("aarch64", AARCH64)])
def test_the_default_is_this_machine(machine, row, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert architectures.here() is row
    assert [each for each in ARCHITECTURES if architectures.is_here(each)] == [machine]


def test_unknown_architecture_is_named_with_those_that_are_known():
    with pytest.raises(
        UnsupportedError, match=r"riscv64 is not known here; known: aarch64, x86_64"
    ):
        architectures.of("riscv64")


def test_no_name_or_number_is_two_architectures():
    for field in ("name", "debian", "kernel", "triplet", "syscall_prefix", "audit"):
        assert len({getattr(each, field) for each in ARCHITECTURES.values()}) == len(ARCHITECTURES)


def test_numbers_of_system_calls_are_those_of_this_machines_headers():
    # What the C library's headers say of the machine that the test runs on.
    import ctypes
    import errno

    libc = ctypes.CDLL(None, use_errno=True)
    calls = architectures.here().calls
    # With arguments that nothing can be done with, the kernel says anything but "no such call".
    for name in ("openat", "mkdirat", "mknodat", "fchmodat", "epoll_pwait", "setxattr"):
        assert libc.syscall(calls[name], -1, 1, 0, 0, 0) == -1
        assert ctypes.get_errno() != errno.ENOSYS, name
