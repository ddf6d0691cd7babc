"""BPF links: to functions, one or several at once, and to what has a number."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_uint32, c_uint64

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.structures import LinkCreateAttr
from ebpf_overhead.bpf.syscall import BpfCommand, TraceAttachType, call

# BPF_F_KPROBE_MULTI_RETURN and BPF_F_UPROBE_MULTI_RETURN.
_MULTI_RETURN = 1


def kprobe_multi(
    prog_fd: int, attach: TraceAttachType, symbols: Sequence[str], at_return: bool = False
) -> int:
    """Attach a program to kernel functions through fprobe (Linux 5.18).

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        ``TRACE_KPROBE_MULTI`` or ``TRACE_KPROBE_SESSION``.
    symbols : sequence of str
        The functions.
    at_return : bool
        Run it when a function returns.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    names = [each.encode() + b"\0" for each in symbols]
    addresses = (c_uint64 * len(names))(*map(_syscalls.address, names))
    attribute = LinkCreateAttr(prog_fd=prog_fd, attach_type=attach)
    attribute.kprobe_multi.flags = _MULTI_RETURN if at_return else 0
    attribute.kprobe_multi.cnt = len(names)
    attribute.kprobe_multi.syms = _syscalls.address(addresses)
    return call(BpfCommand.LINK_CREATE, attribute)


def tracing_multi(prog_fd: int, attach: TraceAttachType, btf_ids: Sequence[int]) -> int:
    """Attach a program to kernel functions through BPF trampolines (Linux 7.2).

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        ``TRACE_FENTRY_MULTI``, ``TRACE_FEXIT_MULTI`` or ``TRACE_FSESSION_MULTI``.
    btf_ids : sequence of int
        BTF ids of the functions.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    ids = (c_uint32 * len(btf_ids))(*btf_ids)
    attribute = LinkCreateAttr(prog_fd=prog_fd, attach_type=attach)
    attribute.tracing_multi.ids = _syscalls.address(ids)
    attribute.tracing_multi.cnt = len(ids)
    return call(BpfCommand.LINK_CREATE, attribute)


def uprobe_multi(
    prog_fd: int,
    attach: TraceAttachType,
    path: str,
    offsets_bytes: Sequence[int],
    pid: int,
    at_return: bool = False,
) -> int:
    """Attach a program to instructions of a file, for one process (Linux 6.6).

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        ``TRACE_UPROBE_MULTI`` or ``TRACE_UPROBE_SESSION``.
    path : str
        The file.
    offsets_bytes : sequence of int
        Offsets of the instructions in the file.
    pid : int
        Process whose calls run the program.
    at_return : bool
        Run it when a function that begins there returns.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    file = path.encode() + b"\0"
    offsets = (c_uint64 * len(offsets_bytes))(*offsets_bytes)
    attribute = LinkCreateAttr(prog_fd=prog_fd, attach_type=attach)
    attribute.uprobe_multi.path = _syscalls.address(file)
    attribute.uprobe_multi.offsets = _syscalls.address(offsets)
    attribute.uprobe_multi.cnt = len(offsets)
    attribute.uprobe_multi.flags = _MULTI_RETURN if at_return else 0
    attribute.uprobe_multi.pid = pid
    return call(BpfCommand.LINK_CREATE, attribute)


def to_number(prog_fd: int, attach: TraceAttachType, target: int, flags: int = 0) -> int:
    """Attach a program to a network device by its number, or to a cgroup by its descriptor.

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        The hook.
    target : int
        The device, of the calling thread's network namespace; or the cgroup.
    flags : int
        Of the hook.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    attribute = LinkCreateAttr(prog_fd=prog_fd, target_fd=target, attach_type=attach, flags=flags)
    return call(BpfCommand.LINK_CREATE, attribute)
