"""A program in the kernel: an object that holds it and says what the kernel counted of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ebpf_overhead.bpf import loading, syscall
from ebpf_overhead.bpf.verifier import rejection
from ebpf_overhead.closing import Closing
from ebpf_overhead.programs.verdict import details_moved, passing

# ``is_net_admin_prog_type`` of the kernel, of the types that are loaded here.
_OF_THE_NETWORK = {
    syscall.ProgType.SCHED_CLS,
    syscall.ProgType.XDP,
    syscall.ProgType.SOCK_OPS,
    syscall.ProgType.CGROUP_SOCK_ADDR,
}


class LoadedAs(NamedTuple):
    """What a program is loaded for.

    Attributes
    ----------
    prog_type : ProgType
        Kind of program.
    attach : TraceAttachType
        Kind of hook, where that is part of the program.
    btf_id : int
        BTF id of the function or tracepoint type, or 0.
    flags : int
        Of ``BPF_F_…``, that the hook asks for.
    """

    prog_type: syscall.ProgType
    attach: syscall.TraceAttachType = syscall.TraceAttachType.NONE
    btf_id: int = 0
    flags: int = 0


class LoadedProgram(Closing):
    """A program that the kernel has loaded.

    The kernel unloads it when this object is closed and nothing has it attached.

    Parameters
    ----------
    fd : int
        Its descriptor, which belongs to this object from now on.
    loaded_as : LoadedAs
        What it was loaded for.

    Attributes
    ----------
    fd : int
        Its descriptor; -1 once it is closed.
    loaded_as : LoadedAs
        What it was loaded for.
    try_out : callable or None
        Puts the function table that it belongs to in place, and takes it away again; raises
        OSError where the kernel refuses that.
    """

    def __init__(self, fd: int, loaded_as: LoadedAs) -> None:
        self.fd = fd
        self.loaded_as = loaded_as
        self.try_out: Callable[[], None] | None = None

    def info(self) -> syscall.ProgInfo:
        """Return its id in the kernel, and what the kernel counted of its runs."""
        return syscall.prog_info(self.fd)

    def close(self) -> None:
        """Let go of the program; does nothing the second time."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def load_code(
    code: bytes,
    name: str,
    loaded_as: LoadedAs,
    what: str,
    details: loading.Details = loading.NO_DETAILS,
) -> LoadedProgram:
    """Load bytecode into the kernel.

    Parameters
    ----------
    code : bytes
        The program, 8 bytes per instruction, map descriptors filled in.
    name : str
        Name that the kernel shows.
    loaded_as : LoadedAs
        What to load it for.
    what : str
        The hook that it is for, for messages.
    details : Details
        What else the kernel is told.

    Raises
    ------
    OverheadError
        The kernel refused it, with its reason.
    """
    made = passing(code, loaded_as.prog_type, loaded_as.attach)
    if made is not code:
        details = details_moved(details, code)
    given = replace(details, flags=details.flags | loaded_as.flags)
    try:
        return LoadedProgram(loading.prog_load(made, *loaded_as[:3], name, given), loaded_as)
    except loading.VerifierRejection as error:
        also = "CAP_NET_ADMIN" if loaded_as.prog_type in _OF_THE_NETWORK else ""
        raise rejection(error, name, what, error.log, also) from error
