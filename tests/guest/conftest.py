"""What the tests that boot guests share: the gate, the kernel, one guest for all that spare it."""

from __future__ import annotations

import os

import guest_support
import pytest

from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue


@pytest.fixture(scope="session")
def kernel() -> catalogue.Kernel:
    """The kernel to boot: the one named by the variable, else the oldest that is here."""
    guest_support.require()
    named = os.environ.get(guest_support.KERNEL_VARIABLE)
    return catalogue.find(named) if named else guest_support.bootable()[0]


@pytest.fixture(scope="session")
def shared_guest(kernel):
    """A guest for every test that leaves it as it was."""
    with Guest(kernel, preload=("json", "ebpf_overhead.stats")) as guest:
        yield guest


@pytest.fixture
def guest(shared_guest):
    """The shared guest, alive; a test that loses it is at fault itself."""
    if not shared_guest.alive:
        shared_guest.start()
    return shared_guest
