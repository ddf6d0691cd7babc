"""What the tests that boot guests share: the gate, the kernel, one guest for all that spare it."""

from __future__ import annotations

import guest_support
import pytest

from ebpf_overhead.guest.vm import PRELOAD, Guest
from ebpf_overhead.kernels import catalogue

_PRELOAD = (
    *PRELOAD,
    "ebpf_overhead.cli.measure",
    "ebpf_overhead.tools.estimate.run",
    "ebpf_overhead.tools.top.dispatch",
)


@pytest.fixture(scope="session")
def kernels() -> list[catalogue.Kernel]:
    """The kernels to test on, oldest first."""
    guest_support.require()
    return guest_support.kernels()


@pytest.fixture(scope="session")
def kernel(kernels) -> catalogue.Kernel:
    """The kernel for tests that any will do for: the oldest."""
    return kernels[0]


@pytest.fixture(scope="module")
def shared_guest(kernel):
    """A guest for every test of a module that leaves it as it was.

    It has imported what the tests' scripts work with: each would take seconds to import it.  It
    does not outlive the module: an idle guest takes a processor to itself, as its clock leaps
    from timer to timer.
    """
    with Guest(kernel, preload=_PRELOAD) as guest:
        yield guest


@pytest.fixture
def guest(shared_guest):
    """The shared guest, alive; a test that loses it is at fault itself."""
    if not shared_guest.alive:
        shared_guest.start()
    return shared_guest
