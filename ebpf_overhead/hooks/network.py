"""Hooks that packets pass: of a network device, and of a cgroup.

The devices are in a network namespace that is this process's own, so that nobody else's packets
pass them.  The cgroup is the one at the top: its hook is passed by packets of every socket.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

from ebpf_overhead.bpf import links, pseudofs
from ebpf_overhead.bpf.namespaces import in_network
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import traffic_control
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import Workload

# XDP_FLAGS_SKB_MODE and XDP_FLAGS_DRV_MODE of include/uapi/linux/if_link.h.
_GENERIC, _NATIVE = 1 << 1, 1 << 2


def device(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the device that receives the packets of a workload."""
    yield AttachPoint("lo")


def paired_device(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the same of a pair of devices."""
    yield AttachPoint("eo0")  # VETH_RECEIVER of _workload_veth.h


def top_cgroup(workload: Workload) -> Iterator[AttachPoint]:
    """Yield the cgroup of all sockets."""
    yield AttachPoint("/")


def open_xdp(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to a device, whose driver runs it (Linux 5.9)."""
    return _link(program.fd, point, TraceAttachType.XDP, _NATIVE)


def open_xdp_generic(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to a device, where the kernel runs it for any device (Linux 5.9)."""
    return _link(program.fd, point, TraceAttachType.XDP, _GENERIC)


def open_tcx(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to what a device receives (Linux 6.6)."""
    return _link(program.fd, point, TraceAttachType.TCX_INGRESS)


def open_tc(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to what a device receives, as a classifier (Linux 4.5)."""

    def attach() -> int:
        _device(point)
        return traffic_control.attach(program.fd, point.name)

    return _in_namespace(attach)


def close_tc(fd: int, point: AttachPoint) -> None:
    """Remove the classifier."""
    traffic_control.detach(fd, point.name)


def open_cgroup(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to a hook of the cgroup (Linux 5.7)."""
    cgroup = pseudofs.open_fd("cgroup2", ".")
    try:
        return links.to_number(program.fd, program.loaded_as.attach, cgroup)
    finally:
        os.close(cgroup)


def _link(prog_fd: int, point: AttachPoint, attach: TraceAttachType, flags: int = 0) -> int:
    def link() -> int:
        return links.to_number(prog_fd, attach, _device(point), flags)

    return _in_namespace(link)


def _device(point: AttachPoint) -> int:
    """Return the number of a device of the namespace."""
    try:
        return socket.if_nametoindex(point.name)
    except OSError as error:
        raise UnsupportedError(
            f"no network device {point.name!r} is here" if point.name else "it names no device",
            "a workload of packets has one: --workload packet_veth",
        ) from error


def _in_namespace(attach: Callable[[], int]) -> int:
    """Attach in the namespace: the kernel looks for the device there."""
    return in_network(_workload.packet_network(), attach)
