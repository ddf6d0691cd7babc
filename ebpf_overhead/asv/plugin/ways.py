"""How a kernel can be measured: by which clock, executed by what, on which CPU."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.architectures import X86_64
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.guest.command import Clock
from ebpf_overhead.guest.variants import USUAL, Variant, usual_cpu
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.kernels.record import KernelRecord
from ebpf_overhead.machine import describe


@dataclass(frozen=True)
class Way:
    """What tells series of results apart that must never be one.

    Parameters
    ----------
    clock : str
        What time means: ``icount`` or ``wall``.
    accel : str
        What executes the kernel: ``tcg``, ``kvm``, or ``native`` without a guest.
    cpu : str
        The CPU model.
    """

    clock: Clock
    accel: Literal["tcg", "kvm", "native"]
    cpu: str

    @property
    def tags(self) -> dict[tuple[str, str], str]:
        """As variables of an asv environment: parts of its name that do not build anything."""
        variables = {"CLOCK": self.clock, "ACCEL": self.accel, "CPU": self.cpu}
        return {("nobuild", name): value for name, value in variables.items()}


def emulated(variant: Variant = USUAL, arch: str = X86_64.name) -> Way:
    """Return the way that exists on every machine: a guest whose clock counts instructions."""
    return Way("icount", "tcg", variant.cpu_model or usual_cpu(arch))


def native() -> Way:
    """Return the way of the running kernel: no guest, and the clock is the machine's."""
    return Way("wall", "native", _host_cpu())


def way_of(
    kernel: Kernel | KernelRecord, clock: str | None = None, variant: Variant = USUAL
) -> Way:
    """Return how to measure a kernel.

    Parameters
    ----------
    kernel : Kernel or KernelRecord
        What to measure.
    clock : str, optional
        ``icount`` or ``wall``; by default the running kernel is timed, and every other one
        emulated to count instructions.
    variant : Variant, optional
        What the guest has that others do not.

    Raises
    ------
    UnsupportedError
        That kernel cannot be measured by that clock.
    """
    if kernel.source != "running":
        return (
            Way("wall", "kvm", _host_cpu()) if clock == "wall" else emulated(variant, kernel.arch)
        )
    if variant != USUAL:
        raise UnsupportedError(
            f"{kernel.release} is the running kernel, and no guest: it was booted with what it has",
            "leave BOOT_ARGS and CPU out of the matrix for it",
        )
    if kernel.release != os.uname().release:
        raise UnsupportedError(
            f"{kernel.release} was added as the running kernel, which is {os.uname().release} now",
            f"boot it, or ebpf-overhead kernels remove {kernel.release}",
        )
    if clock == "icount":
        raise UnsupportedError(
            f"{kernel.release} is the running kernel, whose clock cannot count instructions",
            "the clock wall measures it",
        )
    return native()


def _host_cpu() -> str:
    # In file names: "AMD EPYC 7B13 64-Core Processor" without blanks and brackets.
    return re.sub(r"[^A-Za-z0-9.]+", "-", describe().cpu.model or "unknown").strip("-")
