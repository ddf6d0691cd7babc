"""Whether the kernel counts and times runs of programs although nobody here asked for it.

That adds to every run of every program: what is measured meanwhile is not the plain cost.
"""

from __future__ import annotations

import os

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.loading import prog_load
from ebpf_overhead.bpf.privileges import effective_capabilities
from ebpf_overhead.bpf.structures import TestRunAttr
from ebpf_overhead.bpf.syscall import BpfCommand, ProgType, call, prog_info

# r0 = 0; exit
_NOTHING = bytes.fromhex("b7000000000000009500000000000000")
# A program for packets runs on one: an Ethernet header at least.
_PACKET = bytes(64)


def are_on() -> bool:
    """Whether the kernel's run statistics are on now, found by running a program once.

    ``kernel.bpf_stats_enabled`` is not all that switches them on: a monitor may hold them on by
    a descriptor, which no file shows.

    Returns
    -------
    bool
        False as well where no program can be loaded or run.
    """
    try:
        prog_fd = prog_load(_NOTHING, ProgType.SOCKET_FILTER, name="statistics_on")
    except OSError:
        return False
    try:
        packet, result = bytearray(_PACKET), bytearray(_PACKET)
        call(
            BpfCommand.PROG_TEST_RUN,
            TestRunAttr(
                prog_fd=prog_fd,
                data_size_in=len(packet),
                data_in=_syscalls.address(packet),
                data_size_out=len(result),
                data_out=_syscalls.address(result),
            ),
        )
        return prog_info(prog_fd).run_count > 0
    except OSError:
        return False
    finally:
        os.close(prog_fd)


def refused() -> bool:
    """Whether this process may not switch the statistics on: it lacks CAP_SYS_ADMIN."""
    return "CAP_SYS_ADMIN" not in effective_capabilities()


def warning() -> str | None:
    """Return a sentence where the statistics are on; None where they are off."""
    if not are_on():
        return None
    return (
        "the kernel's run statistics are on, switched on by somebody else"
        " (kernel.bpf_stats_enabled, or a monitor): they add to every run of every program"
    )
