"""Loading programs and their type information into the kernel."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import sizeof
from dataclasses import dataclass, replace

from ebpf_overhead.bpf import _syscalls, func_info
from ebpf_overhead.bpf.maps import lift_memory_limit
from ebpf_overhead.bpf.structures import BpfFuncInfo, BtfLoadAttr, ProgLoadAttr
from ebpf_overhead.bpf.syscall import BpfCommand, ProgType, TraceAttachType, call

_LOG_BYTES = 1 << 20
_FULL_LOG_BYTES = 1 << 24
# A few lines; to make a buffer is to clear it, byte by byte in a guest.
_SUMMARY_BYTES = 1 << 14
# Of a program that is accepted the kernel keeps a log at these levels only.
_FULL_LOG_LEVEL, _STATISTICS_LEVEL = 2, 4


@dataclass(frozen=True)
class Details:
    """What an object file says of a program besides its instructions.

    Attributes
    ----------
    licence : str
        What the kernel is told.
    flags : int
        Of ``BPF_F_…``: ``BPF_F_SLEEPABLE`` for one that may wait.
    kernel_version : int
        That old kernels compare with their own.
    functions, lines : bytes
        ``struct bpf_func_info`` and ``struct bpf_line_info`` of its functions.
    function_bytes, line_bytes : int
        Length of one of each.
    btf_fd : int
        Descriptor of the type information that they refer to; 0 for none.
    """

    licence: str = "GPL"
    flags: int = 0
    kernel_version: int = 0
    functions: bytes = b""
    function_bytes: int = sizeof(BpfFuncInfo)
    lines: bytes = b""
    line_bytes: int = 16
    btf_fd: int = 0


NO_DETAILS = Details()


class VerifierRejection(OSError):  # noqa: N818 - an OSError with more to say
    """The kernel did not load a program; ``log`` holds the verifier's log."""

    def __init__(self, error: OSError, log: str) -> None:
        super().__init__(error.errno, error.strerror)
        self.log = log


def prog_load(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType = TraceAttachType.NONE,
    attach_btf_id: int = 0,
    name: str = "",
    details: Details = NO_DETAILS,
) -> int:
    """Load a program into the kernel.

    Parameters
    ----------
    instructions : bytes
        The program, 8 bytes per instruction, with map descriptors filled in.
    prog_type : ProgType
        Kind of program.
    attach : TraceAttachType
        Kind of hook, for programs that are loaded for one.
    attach_btf_id : int
        BTF id of the function or tracepoint type, for ``TRACING`` and ``LSM``.
    name : str
        Name that ``bpftool prog`` shows, cut to 15 characters.  Characters that the kernel
        does not accept become ``_``.
    details : Details
        What else the kernel is told.

    Returns
    -------
    int
        File descriptor of the loaded program.

    Raises
    ------
    VerifierRejection
        The kernel refused the program; the error holds the verifier's log.
    """
    given = (instructions, prog_type, attach, attach_btf_id, name, details)
    try:
        return _load(*given)
    except OSError:
        lift_memory_limit()
        log = bytearray(_LOG_BYTES)
        try:
            return _load(*given, log)
        except OSError as error:
            raise VerifierRejection(error, _text(log)) from error


def prog_log(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType = TraceAttachType.NONE,
    attach_btf_id: int = 0,
    name: str = "",
    details: Details = NO_DETAILS,
    *,
    in_full: bool = True,
) -> str:
    """Load a program once more and return what the verifier writes about it.

    The parameters are those of :func:`prog_load`, and whether it writes about each instruction;
    else it only sums up.
    """
    log = bytearray(_FULL_LOG_BYTES if in_full else _SUMMARY_BYTES)
    given = (instructions, prog_type, attach, attach_btf_id, name, details)
    try:
        os.close(_load(*given, log, _FULL_LOG_LEVEL if in_full else _STATISTICS_LEVEL))
    except OSError as error:
        if error.errno != errno.ENOSPC:  # the log did not fit and is cut
            raise VerifierRejection(error, _text(log)) from error
    return _text(log)


def _load(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType,
    attach_btf_id: int,
    name: str,
    details: Details,
    log: bytearray | None = None,
    log_level: int = 1,
) -> int:
    code = bytes(instructions)
    licence = details.licence.encode() + b"\0"
    attribute = ProgLoadAttr(
        prog_type=prog_type,
        insn_cnt=len(code) // 8,
        insns=_syscalls.address(code),
        license=_syscalls.address(licence),
        kern_version=details.kernel_version,
        prog_flags=details.flags,
        prog_name=re.sub(r"[^A-Za-z0-9_.]", "_", name).encode()[:15],
        expected_attach_type=attach,
        attach_btf_id=attach_btf_id,
    )
    if log is not None:
        attribute.log_level, attribute.log_size = log_level, len(log)
        attribute.log_buf = _syscalls.address(log)
    with _described(details, code) as known:
        if known.btf_fd:
            attribute.prog_btf_fd = known.btf_fd
            attribute.func_info = _syscalls.address(known.functions)
            attribute.func_info_rec_size = known.function_bytes
            attribute.func_info_cnt = len(known.functions) // known.function_bytes
            attribute.line_info = _syscalls.address(known.lines)
            attribute.line_info_rec_size = known.line_bytes
            attribute.line_info_cnt = len(known.lines) // known.line_bytes
        return call(BpfCommand.PROG_LOAD, attribute)


@contextmanager
def _described(details: Details, code: bytes) -> Iterator[Details]:
    """Yield details with types, if there are any: the object's, or those that callbacks need."""
    functions = b"" if details.btf_fd else func_info.function_info(code)
    if not functions:
        yield details
        return
    fd = btf_load(func_info.type_information())
    try:
        yield replace(details, btf_fd=fd, functions=functions)
    finally:
        os.close(fd)


def btf_load(information: bytes) -> int:
    """Load BTF into the kernel and return its descriptor."""
    attribute = BtfLoadAttr(btf=_syscalls.address(information), btf_size=len(information))
    return call(BpfCommand.BTF_LOAD, attribute)


def _text(log: bytearray) -> str:
    return log.split(b"\0", 1)[0].decode(errors="replace").strip()
