"""The commands of bpf(2) that this project needs.

Names and numbers are those of ``include/uapi/linux/bpf.h``, a stable interface of the kernel.
Attributes are packed little by little with :mod:`struct`; what is not given is zero.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

from ebpf_overhead import _syscalls, callbacks


class Command(IntEnum):
    """``enum bpf_cmd``."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    PROG_LOAD = 5
    PROG_GET_NEXT_ID = 11
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    BTF_GET_FD_BY_ID = 19
    TASK_FD_QUERY = 20
    MAP_LOOKUP_BATCH = 24
    MAP_UPDATE_BATCH = 26
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32


class ProgType(IntEnum):
    """``enum bpf_prog_type``."""

    KPROBE = 2
    TRACEPOINT = 5
    RAW_TRACEPOINT = 17
    TRACING = 26
    LSM = 29


class TraceAttachType(IntEnum):
    """The part of ``enum bpf_attach_type`` that names a tracing hook."""

    NONE = 0
    RAW_TP = 23
    FENTRY = 24
    FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_KPROBE_MULTI = 42
    TRACE_UPROBE_MULTI = 48
    TRACE_KPROBE_SESSION = 56
    TRACE_UPROBE_SESSION = 57


# Size of the attribute handed over: the kernel accepts a larger one than it knows
# as long as the rest is zero, and a smaller one than it knows.
ATTRIBUTE_BYTES = 128
_LOG_BYTES = 1 << 20
_FULL_LOG_BYTES = 1 << 24
# Of a program that is accepted the kernel keeps a log at this level only.
_FULL_LOG_LEVEL = 2


def call(command: Command, layout: str, *values: int | bytes) -> tuple[int, bytearray]:
    """Call bpf(2) with a packed attribute; return its result and the attribute after it."""
    attribute = bytearray(ATTRIBUTE_BYTES)
    struct.pack_into("=" + layout, attribute, 0, *values)
    try:
        return _syscalls.bpf(command, attribute), attribute
    except OSError as error:
        raise OSError(error.errno, f"bpf(BPF_{command.name})") from error


class VerifierRejection(OSError):  # noqa: N818 - an OSError with more to say
    """The kernel did not load a program; ``log`` holds what the verifier said."""

    def __init__(self, error: OSError, log: str) -> None:
        super().__init__(error.errno, error.strerror)
        self.log = log


def prog_load(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType = TraceAttachType.NONE,
    attach_btf_id: int = 0,
    name: str = "",
) -> int:
    """Load a program into the kernel.

    Parameters
    ----------
    instructions : bytes
        The program, 8 bytes an instruction, map descriptors filled in.
    prog_type : ProgType
        Kind of program.
    attach : TraceAttachType
        Kind of hook, for programs that are bound to one.
    attach_btf_id : int
        BTF id of the function or tracepoint type, for ``TRACING`` and ``LSM``.
    name : str
        Name that ``bpftool prog`` will show, cut to 15 characters; those that the kernel
        does not take become ``_``.

    Returns
    -------
    int
        File descriptor of the loaded program.

    Raises
    ------
    VerifierRejection
        The kernel refused the program; holds the verifier's log.
    """
    try:
        return _load(instructions, prog_type, attach, attach_btf_id, name)
    except OSError:
        log = bytearray(_LOG_BYTES)
        try:
            return _load(instructions, prog_type, attach, attach_btf_id, name, log)
        except OSError as error:
            raise VerifierRejection(error, _text(log)) from error


def prog_log(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType = TraceAttachType.NONE,
    attach_btf_id: int = 0,
    name: str = "",
) -> str:
    """Return what the verifier writes about a program, loading it once more for that.

    The parameters are those of :func:`prog_load`.
    """
    log = bytearray(_FULL_LOG_BYTES)
    try:
        os.close(_load(instructions, prog_type, attach, attach_btf_id, name, log, _FULL_LOG_LEVEL))
    except OSError as error:
        if error.errno != errno.ENOSPC:  # what did not fit is left out
            raise VerifierRejection(error, _text(log)) from error
    return _text(log)


def _load(
    instructions: bytes,
    prog_type: ProgType,
    attach: TraceAttachType,
    attach_btf_id: int,
    name: str,
    log: bytearray | None = None,
    log_level: int = 1,
) -> int:
    license_text = b"GPL\0"
    code = bytes(instructions)
    functions = callbacks.function_info(code)
    with _type_information(bool(functions)) as btf_fd:
        fd, _ = call(
            Command.PROG_LOAD,
            "IIQQIIQII16sIIIIQIIQII",
            prog_type,
            len(code) // 8,
            _syscalls.address(code),
            _syscalls.address(license_text),
            0 if log is None else log_level,
            0 if log is None else len(log),
            0 if log is None else _syscalls.address(log),
            0,  # kern_version
            0,  # prog_flags
            re.sub(r"[^A-Za-z0-9_.]", "_", name).encode()[:15],
            0,  # prog_ifindex
            attach,
            btf_fd,
            callbacks.FUNCTION_BYTES if functions else 0,
            _syscalls.address(functions) if functions else 0,
            len(functions) // callbacks.FUNCTION_BYTES,
            *(0,) * 3,  # line info
            attach_btf_id,
        )
    return fd


@contextmanager
def _type_information(needed: bool) -> Iterator[int]:
    """Yield the descriptor of BTF that describes a program and its callbacks, or 0."""
    if not needed:
        yield 0
        return
    information = callbacks.type_information()
    fd, _ = call(Command.BTF_LOAD, "QQI", _syscalls.address(information), 0, len(information))
    try:
        yield fd
    finally:
        os.close(fd)


def _text(log: bytearray) -> str:
    return log.split(b"\0", 1)[0].decode(errors="replace").strip()


def raw_tracepoint_open(prog_fd: int, name: str | None) -> int:
    """Attach a program to a raw tracepoint, or a tracing program to its own hook.

    Parameters
    ----------
    prog_fd : int
        Loaded program.
    name : str or None
        Raw tracepoint; None for ``ProgType.TRACING``, whose hook was chosen at load.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    text = None if name is None else name.encode() + b"\0"
    address = 0 if text is None else _syscalls.address(text)
    return call(Command.RAW_TRACEPOINT_OPEN, "QI", address, prog_fd)[0]


def enable_stats() -> int:
    """Have the kernel count runs of all programs until the descriptor returned is closed.

    ``BPF_ENABLE_STATS``, Linux 5.8.  Unlike ``kernel.bpf_stats_enabled`` nothing is
    left switched on when the process dies.
    """
    return call(Command.ENABLE_STATS, "I", 0)[0]


@contextmanager
def counting_runs() -> Iterator[None]:
    """Have the kernel count and time runs of all programs while the block runs.

    Raises
    ------
    OSError
        It refuses to, or cannot.
    """
    statistics = enable_stats()
    try:
        yield
    finally:
        os.close(statistics)


@dataclass(frozen=True)
class ProgInfo:
    """The part of ``struct bpf_prog_info`` that says how often a program ran.

    Attributes
    ----------
    prog_id : int
        The kernel's number of the program.
    run_count : int
        Runs counted while statistics were on.
    recursion_misses : int or None
        Runs left out because the program was running already on that CPU; None on a
        kernel that does not tell (before 5.12).
    run_time_ns : int
        Time of those runs, as the kernel takes it.
    """

    prog_id: int
    run_count: int
    recursion_misses: int | None
    run_time_ns: int = 0


_INFO_BYTES = 232
_OFFSET_RUN_TIME = 192
_OFFSET_RUN_COUNT = 200
_OFFSET_RECURSION_MISSES = 208


def prog_info(prog_fd: int) -> ProgInfo:
    """Return what the kernel counted for a loaded program."""
    info = bytearray(_INFO_BYTES)
    _, attribute = call(
        Command.OBJ_GET_INFO_BY_FD, "IIQ", prog_fd, len(info), _syscalls.address(info)
    )
    filled = struct.unpack_from("=I", attribute, 4)[0]
    misses = None
    if filled >= _OFFSET_RECURSION_MISSES + 8:
        misses = struct.unpack_from("=Q", info, _OFFSET_RECURSION_MISSES)[0]
    return ProgInfo(
        prog_id=struct.unpack_from("=I", info, 4)[0],
        run_count=struct.unpack_from("=Q", info, _OFFSET_RUN_COUNT)[0],
        recursion_misses=misses,
        run_time_ns=struct.unpack_from("=Q", info, _OFFSET_RUN_TIME)[0],
    )
