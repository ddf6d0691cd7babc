"""What differs between processor architectures: a row each, and nothing else knows it.

A row has the architecture's names, the numbers of its system calls, and the machine that QEMU
emulates for a guest.  Only what is about single instructions and registers stands where those are
read.  Processes that are started often use this, so it imports little.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import NamedTuple


class GuestMachine(NamedTuple):
    """The machine that QEMU emulates.

    Parameters
    ----------
    qemu : str
        QEMU's program.
    package : str
        Debian's package of it.
    machine : str
        The board.
    features : str
        Features of the CPU model ``max``, as QEMU takes them.
    console : str
        The serial port that the kernel's messages go to.
    counted : tuple of str
        Words of the kernel's command line for a guest that counts instructions.
    has_boot_program : bool
        Whether QEMU boots a kernel by a program of its own, which is part of a saved state.
    """

    qemu: str
    package: str
    machine: str
    features: str
    console: str
    counted: tuple[str, ...]
    has_boot_program: bool


class Architecture(NamedTuple):
    """One architecture.

    Parameters
    ----------
    name : str
        As ``uname -m`` prints it.
    debian : str
        As Debian and Go call it.
    kernel : str
        As the kernel's sources and BCC call it.
    triplet : str
        Debian's name of its directories, and of the compilers for it.
    syscall_prefix : str
        How the names of the kernel's functions of system calls begin.
    audit : int
        The kernel's number of it (linux/audit.h).
    calls : mapping of str to int
        Numbers of system calls; without those that it does not have.
    guest : GuestMachine
        What guests of it are.
    """

    name: str
    debian: str
    kernel: str
    triplet: str
    syscall_prefix: str
    audit: int
    calls: Mapping[str, int]
    guest: GuestMachine


# The same on every architecture (include/uapi/asm-generic/unistd.h).
_COMMON_CALLS = {
    "io_uring_setup": 425,
    "openat2": 437,
    "pidfd_getfd": 438,
    "epoll_pwait2": 441,
    "fchmodat2": 452,
    "setxattrat": 463,
}
_COUNTED = (
    # Self-tests of ciphers nobody uses here: 0.7 s.
    "cryptomgr.notests",
    # Entropy out of timing, of which the emulated machine has none: 0.14 billion
    # instructions.  Kernels that have it as a module pay no heed.
    "initcall_blacklist=jent_mod_init",
)

X86_64 = Architecture(
    name="x86_64",
    debian="amd64",
    kernel="x86",
    triplet="x86_64-linux-gnu",
    syscall_prefix="__x64_sys_",
    audit=0xC000003E,
    # arch/x86/entry/syscalls/syscall_64.tbl
    calls={
        **_COMMON_CALLS,
        **{"open": 2, "creat": 85, "mkdir": 83, "chmod": 90, "fchmod": 91, "mknod": 133},
        **{"openat": 257, "mkdirat": 258, "mknodat": 259, "fchmodat": 268},
        **{"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190},
        **{"ioctl": 16, "epoll_wait": 232, "epoll_pwait": 281},
        **{"perf_event_open": 298, "seccomp": 317, "bpf": 321},
    },
    guest=GuestMachine(
        qemu="qemu-system-x86_64",
        package="qemu-system-x86",
        # The older chipset: fewer devices for the kernel to look for than q35.
        machine="pc",
        # TCG's ``max`` is an AMD-like processor without Meltdown, so the kernel leaves page-table
        # isolation off.  Five-level page tables would make every walk longer on the kernels that
        # use them and not on the others.
        features="la57=off",
        console="ttyS0",
        counted=(
            # Calibrating the local APIC timer spins on PAUSE, which leaves the translated
            # code each time: 4 s of a boot.  The old interval timer does for one processor.
            "noapictimer",
            *_COUNTED,
            # Tables about power and interrupts that one processor does without: 1 s.
            "acpi=off",
            "no_timer_check",  # One more calibration that the emulated machine cannot fail.
            # The processor's clock is the instruction counter.  Nothing may vote it out, and
            # the watchdog that could is one periodic timer less.
            "tsc=reliable",
            "clocksource=tsc",
        ),
        has_boot_program=True,
    ),
)

AARCH64 = Architecture(
    name="aarch64",
    debian="arm64",
    kernel="arm64",
    triplet="aarch64-linux-gnu",
    syscall_prefix="__arm64_sys_",
    audit=0xC00000B7,
    # include/uapi/asm-generic/unistd.h
    calls={
        **_COMMON_CALLS,
        **{"mknodat": 33, "mkdirat": 34, "fchmod": 52, "fchmodat": 53, "openat": 56},
        **{"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7},
        **{"ioctl": 29, "epoll_pwait": 22},
        **{"perf_event_open": 241, "seccomp": 277, "bpf": 280},
    },
    guest=GuestMachine(
        qemu="qemu-system-aarch64",
        package="qemu-system-arm",
        machine="virt",
        # Signed pointers are computed as the architecture says them, or by a faster hash: the
        # same instructions, and a boot that is several times as fast.
        features="pauth-impdef=on",
        console="ttyAMA0",
        counted=_COUNTED,
        has_boot_program=False,
    ),
)

ARCHITECTURES = {each.name: each for each in (X86_64, AARCH64)}


def of(name: str) -> Architecture:
    """Return the architecture that ``uname -m`` calls so.

    Raises
    ------
    UnsupportedError
        It is not known here.
    """
    if name not in ARCHITECTURES:
        from ebpf_overhead.errors import UnsupportedError

        raise UnsupportedError(f"architecture {name} is not known here", f"known: {_known()}")
    return ARCHITECTURES[name]


def here() -> Architecture:
    """Return this machine's architecture.

    Raises
    ------
    UnsupportedError
        It is not known here.
    """
    return of(platform.machine())


def title(name: str) -> str:
    """Return what people call an architecture: ``x86_64``, ``arm64``."""
    return name if name == X86_64.name or name not in ARCHITECTURES else ARCHITECTURES[name].debian


def is_here(name: str) -> bool:
    """Whether an architecture is this machine's."""
    return name == platform.machine()


def _known() -> str:
    return ", ".join(sorted(ARCHITECTURES))
