"""When tests may boot guests, on which kernel, and what they look at from outside."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from ebpf_overhead.architectures import is_here
from ebpf_overhead.kernels import catalogue

VARIABLE = "EBPF_OVERHEAD_TEST_GUEST"
KERNELS_VARIABLE = "EBPF_OVERHEAD_TEST_GUEST_KERNELS"


def obstacle() -> str | None:
    """Return what keeps guests from being booted here, if anything."""
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not installed"
    if os.uname().machine != "x86_64":
        return f"no guests on {os.uname().machine}"
    if not bootable():
        return "no kernel to boot is here (ebpf-overhead kernels add 6.1)"
    return None


def kernels() -> list[catalogue.Kernel]:
    """Return the kernels to test on, oldest first: those the variable names, else all."""
    named = os.environ.get(KERNELS_VARIABLE, "").split()
    found = [catalogue.find(each) for each in named] or bootable()
    return sorted(found, key=lambda kernel: kernel.record.order)


def bootable() -> list[catalogue.Kernel]:
    """Return the kernels of this machine's architecture that can be booted, oldest first."""
    found = catalogue.installed()
    return [each for each in found if each.image is not None and is_here(each.arch)]


def require() -> None:
    """Skip the test, or fail it, unless guests can be booted: the variable decides."""
    wanted = os.environ.get(VARIABLE)
    if wanted == "0":
        pytest.skip(f"{VARIABLE}=0")
    why = obstacle()
    if why is None:
        return
    if wanted == "1":
        pytest.fail(f"{VARIABLE}=1, but {why}", pytrace=False)
    pytest.skip(f"{why}; {VARIABLE}=1 makes this a failure")


def gone(pid: int, within_s: float) -> bool:
    """Return whether a process ends in time; one that only waits to be reaped has ended."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
