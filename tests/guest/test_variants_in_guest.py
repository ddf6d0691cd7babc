"""A guest with boot arguments and a CPU model of its own."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest.variants import Variant
from ebpf_overhead.guest.vm import Guest

LOOK = (
    "cat /proc/cmdline; grep ^bugs /proc/cpuinfo;"
    " cat /sys/devices/system/cpu/vulnerabilities/meltdown"
)


def test_it_has_what_was_asked_for_and_says_what_it_lacks(kernel, note):
    said = []
    variant = Variant("audit=1", "Skylake-Client-IBRS")
    with Guest(kernel, variant=variant, restore=False, log=said.append) as guest:
        found = guest.run(["sh", "-c", LOOK], timeout=60).stdout.splitlines()
        described = guest.description
    assert found[0].endswith(" audit=1")
    assert "cpu_meltdown" in found[1]
    assert found[2] == "Mitigation: PTI"
    assert described["cpu_model"] == "Skylake-Client-IBRS"
    assert described["kernel_command_line"].endswith(" audit=1")
    assert described["variant"] == str(variant)
    (lacking,) = [line for line in said if "does not emulate" in line]
    assert "spec-ctrl" in lacking
    note(lacking)


def test_an_argument_that_the_kernel_does_not_know_is_refused(kernels):
    with (
        pytest.raises(BadUseError, match="does not know the boot argument nonsense=1"),
        Guest(kernels[-1], variant=Variant("nonsense=1")),
    ):
        pass
