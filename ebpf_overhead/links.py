"""BPF links to several functions at once, of which one is all that is needed here.

BCC knows neither; attributes are those of ``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

import struct

from ebpf_overhead import _syscalls
from ebpf_overhead.bpf import Command, TraceAttachType, call

# BPF_F_KPROBE_MULTI_RETURN and BPF_F_UPROBE_MULTI_RETURN.
_MULTI_RETURN = 1


def kprobe_multi(
    prog_fd: int, attach: TraceAttachType, symbol: str, at_return: bool = False
) -> int:
    """Attach a program to a kernel function through fprobe (Linux 5.18).

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        ``TRACE_KPROBE_MULTI`` or ``TRACE_KPROBE_SESSION``.
    symbol : str
        The function.
    at_return : bool
        Run it at the function's return.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    name = symbol.encode() + b"\0"
    names = struct.pack("=Q", _syscalls.address(name))
    return call(
        Command.LINK_CREATE,
        "IIIIIIQQQ",
        *(prog_fd, 0, attach, 0),
        *(_MULTI_RETURN if at_return else 0, 1, _syscalls.address(names), 0, 0),
    )[0]


def uprobe_multi(
    prog_fd: int,
    attach: TraceAttachType,
    path: str,
    offset_bytes: int,
    pid: int,
    at_return: bool = False,
) -> int:
    """Attach a program to a place in a file's code, for one process (Linux 6.6).

    Parameters
    ----------
    prog_fd : int
        Program loaded for ``attach``.
    attach : TraceAttachType
        ``TRACE_UPROBE_MULTI`` or ``TRACE_UPROBE_SESSION``.
    path : str
        The file.
    offset_bytes : int
        Where in it.
    pid : int
        Process that runs the program.
    at_return : bool
        Run it at the return of the function that begins there.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    file = path.encode() + b"\0"
    offsets = struct.pack("=Q", offset_bytes)
    return call(
        Command.LINK_CREATE,
        "IIIIQQQQIII",
        *(prog_fd, 0, attach, 0),
        *(_syscalls.address(file), _syscalls.address(offsets), 0, 0),
        *(1, _MULTI_RETURN if at_return else 0, pid),
    )[0]
