"""By which clock, executed by what: how a kernel can be measured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kernels_fakes import make_record

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.guest.variants import Variant
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.kernels.store import Origin

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from ebpf_overhead.asv.plugin import ways

HERE = os.uname().release


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """A processor with a name that no file should have."""

    class Machine:
        class cpu:  # noqa: N801
            model = "AMD EPYC 7B13 (64-Core) @ 2.4GHz"

    monkeypatch.setattr(ways, "describe", Machine)


def kernel(release, source="debian", arch="x86_64"):
    return Kernel(
        release, arch, None, None, None, source, make_record(release), Path(), Origin("", ())
    )


@pytest.mark.parametrize("clock", [None, "icount"])
def test_kernels_count_instructions_in_an_emulated_guest(clock):
    way = ways.way_of(kernel("6.1.0-1"), clock)
    assert (way.clock, way.accel, way.cpu) == ("icount", "tcg", "max")
    assert way == ways.emulated()


def test_kernels_are_timed_in_guests_that_this_processor_executes():
    way = ways.way_of(kernel("6.1.0-1"), "wall")
    assert (way.clock, way.accel) == ("wall", "kvm")
    assert way.cpu == "AMD-EPYC-7B13-64-Core-2.4GHz"


@pytest.mark.parametrize("clock", [None, "wall"])
def test_the_running_kernel_is_timed_where_it_runs(clock):
    way = ways.way_of(kernel(HERE, "running"), clock)
    assert (way.clock, way.accel) == ("wall", "native")
    assert way == ways.native()


def test_the_running_kernel_cannot_count():
    with pytest.raises(UnsupportedError, match=f"{HERE} is the running kernel, whose clock cannot"):
        ways.way_of(kernel(HERE, "running"), "icount")


@pytest.mark.parametrize("clock", [None, "icount", "wall"])
def test_a_kernel_that_ran_once_cannot_be_measured_now(clock):
    with pytest.raises(UnsupportedError, match=f"which is {HERE} now; boot it"):
        ways.way_of(kernel("4.4.0-other", "running"), clock)


def test_another_cpu_model_is_another_series():
    usual, other = ways.emulated(), ways.emulated(Variant(cpu_model="Nehalem"))
    assert usual.tags != other.tags
    assert other.tags["nobuild", "CPU"] == "Nehalem"


def test_the_running_kernel_has_what_it_was_booted_with():
    with pytest.raises(UnsupportedError, match="and no guest"):
        ways.way_of(kernel(HERE, "running"), None, Variant("audit=1"))


def test_ways_never_share_a_series():
    all_ways = [ways.emulated(), ways.native(), ways.way_of(kernel("6.1.0-1"), "wall")]
    tags = [way.tags for way in all_ways]
    assert tags[0] == {
        ("nobuild", "CLOCK"): "icount",
        ("nobuild", "ACCEL"): "tcg",
        ("nobuild", "CPU"): "max",
    }
    assert len({tuple(each.values()) for each in tags}) == 3


def test_guests_of_another_architecture_are_a_series_of_their_own():
    way = ways.way_of(kernel("6.12.1-arm64", arch="aarch64"))
    assert (way.clock, way.accel, way.cpu) == ("icount", "tcg", "arm64-max")
    assert way.tags.keys() == ways.emulated().tags.keys()  # asv has no page where one lacks any.
    named = ways.way_of(kernel("6.12.1-arm64", arch="aarch64"), None, Variant(cpu_model="a76"))
    assert named.cpu == "a76"
