"""The hook of traffic control: a classifier of a device, which rtnetlink adds and removes.

It is held by no descriptor.  It goes with the device, which is in a network namespace of this
process alone.  Numbers are those of ``include/uapi/linux``: ``rtnetlink.h``, ``pkt_sched.h`` and
``pkt_cls.h``.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from ebpf_overhead.bpf import netlink

_CREATE_NEW = 0x400 | 0x200  # NLM_F_…
_NEW_DISCIPLINE, _REMOVE_DISCIPLINE, _NEW_FILTER = 36, 37, 44  # RTM_…
_SIOCGIFINDEX = 0x8933
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000  # TC_H_CLSACT, and the handle that belongs to it
_PROGRAM, _NAME, _FLAGS = 6, 7, 8  # TCA_BPF_…
_DIRECT_ACTION = 1
_FIRST, _ALL_PROTOCOLS = 1, socket.htons(3)  # the filter's rank; ETH_P_ALL


def attach(prog_fd: int, device: str) -> int:
    """Attach a program to what a device of the calling thread's network namespace receives.

    Parameters
    ----------
    prog_fd : int
        Loaded program.
    device : str
        Name of the device, which has no such hook yet.

    Returns
    -------
    int
        Descriptor of a socket in that namespace, for :func:`detach`.

    Raises
    ------
    OSError
        The kernel refused; the text says what.
    """
    kernel = netlink.opened()
    try:
        number = _number(kernel, device)
        netlink.ask(kernel, _NEW_DISCIPLINE, _discipline(number), "clsact", _CREATE_NEW)
        try:
            netlink.ask(kernel, _NEW_FILTER, _filter(number, prog_fd), "cls_bpf", _CREATE_NEW)
        except OSError:
            _remove(kernel, number)
            raise
    except OSError:
        kernel.close()
        raise
    return kernel.detach()


def detach(fd: int, device: str) -> None:
    """Remove what :func:`attach` has added to the device, and close its descriptor."""
    with socket.socket(fileno=fd) as kernel:
        _remove(kernel, _number(kernel, device))


def _number(kernel: socket.socket, device: str) -> int:
    """Return the number of a device in the namespace of a socket."""
    request = struct.pack("=16si20x", device.encode(), 0)
    number: int = struct.unpack_from("=i", fcntl.ioctl(kernel, _SIOCGIFINDEX, request), 16)[0]
    return number


def _remove(kernel: socket.socket, number: int) -> None:
    netlink.ask(kernel, _REMOVE_DISCIPLINE, _discipline(number), "clsact")


def _discipline(number: int) -> bytes:
    head = netlink.TRAFFIC_CONTROL.pack(socket.AF_UNSPEC, number, _CLSACT_HANDLE, _CLSACT, 0)
    return head + netlink.attribute(netlink.KIND, b"clsact\0")


def _filter(number: int, prog_fd: int) -> bytes:
    info = _FIRST << 16 | _ALL_PROTOCOLS
    head = netlink.TRAFFIC_CONTROL.pack(socket.AF_UNSPEC, number, 0, netlink.INGRESS, info)
    kind = netlink.attribute(netlink.KIND, b"bpf\0")
    options = (
        netlink.attribute(_PROGRAM, struct.pack("=I", prog_fd))
        + netlink.attribute(_NAME, b"ebpf_overhead\0")
        + netlink.attribute(_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    )
    return head + kind + netlink.attribute(netlink.OPTIONS, options)
