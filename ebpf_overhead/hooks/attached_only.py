"""Hooks that no workload calls: a program is loaded and attached there, and detached again."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ebpf_overhead.bpf import links, netlink
from ebpf_overhead.bpf.namespaces import in_network
from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload import _workload, clock

_NEW_DEVICE, _REMOVE_DEVICE, _CREATE_NEW = 16, 17, 0x400 | 0x200  # RTM_…, NLM_F_…
_NAME, _LINK_INFO, _INFO_KIND = 3, 18, 1  # IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND
_DEVICE = "eonetkit"


@dataclass(frozen=True)
class AttachedOnly:
    """How a program is attached to a hook that no workload calls.

    Attributes
    ----------
    prog_type : ProgType
        What it is loaded as; ``UNSPEC`` for what its object file says.
    attach : TraceAttachType
        Kind of hook, where that is part of the program.
    link : callable or None
        Attaches a program by its descriptor, and returns that of the link; None where that is
        not done.
    """

    prog_type: ProgType = ProgType.UNSPEC
    attach: TraceAttachType = TraceAttachType.NONE
    link: Callable[[int], int] | None = None

    def attached(self, program: LoadedProgram) -> str:
        """Attach a program and detach it again; return in a word or two what came of it."""
        if program.try_out is not None and clock.current().layout_sensitive:
            return "it (this machine would work with it: a guest attaches it, --kernel)"
        if self.link is None and program.try_out is None:
            return "it"
        try:
            if self.link is not None:
                os.close(self.link(program.fd))
            elif program.try_out is not None:
                program.try_out()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "an error")
            return f"it, and does not attach it ({name} at {error.strerror})"
        return "and attaches it"


def of(kind: str) -> AttachedOnly:
    """Return how a program is attached whose section begins so."""
    return _KINDS.get(kind.removesuffix(".s"), AttachedOnly())


def _iterator(prog_fd: int) -> int:
    """Attach an iterator (Linux 5.8); one over the elements of a map would need the map."""
    return links.to_number(prog_fd, TraceAttachType.TRACE_ITER, 0)


def _netkit(prog_fd: int) -> int:
    """Attach a program to a pair of netkit devices, in a network namespace of our own (6.7)."""
    return in_network(_workload.packet_network(), partial(_to_new_pair, prog_fd))


def _to_new_pair(prog_fd: int) -> int:
    with netlink.opened() as kernel:
        kind = netlink.attribute(_INFO_KIND, b"netkit\0")
        body = (
            _device()
            + netlink.attribute(_NAME, _DEVICE.encode() + b"\0")
            + netlink.attribute(_LINK_INFO, kind)
        )
        netlink.ask(kernel, _NEW_DEVICE, body, "netkit", _CREATE_NEW)
        number = socket.if_nametoindex(_DEVICE)
        try:
            return links.to_number(prog_fd, TraceAttachType.NETKIT_PRIMARY, number)
        finally:
            # The link knows that it has lost its device.
            netlink.ask(kernel, _REMOVE_DEVICE, _device(number), "netkit")


def _device(number: int = 0) -> bytes:
    """Return a ``struct ifinfomsg``."""
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, number, 0, 0)


_KINDS = {
    "iter": AttachedOnly(link=_iterator),
    "netkit": AttachedOnly(ProgType.SCHED_CLS, TraceAttachType.NETKIT_PRIMARY, _netkit),
}
