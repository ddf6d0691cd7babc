"""The commands of bpf(2) that this project needs.

Names and numbers are those of ``include/uapi/linux/bpf.h``, a stable interface of the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Structure, sizeof
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.infos import BpfProgInfo
from ebpf_overhead.bpf.structures import EnableStatsAttr, InfoAttr, RawTracepointAttr, filled
from ebpf_overhead.errors import RefusedError


class BpfCommand(IntEnum):
    """``enum bpf_cmd``."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    PROG_GET_NEXT_ID = 11
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    BTF_GET_FD_BY_ID = 19
    TASK_FD_QUERY = 20
    MAP_LOOKUP_AND_DELETE_ELEM = 21
    BTF_GET_NEXT_ID = 23
    MAP_LOOKUP_BATCH = 24
    MAP_UPDATE_BATCH = 26
    MAP_DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32
    PROG_BIND_MAP = 35


# ``enum bpf_prog_type``.
ProgType = IntEnum(
    "ProgType",
    "UNSPEC SOCKET_FILTER KPROBE SCHED_CLS SCHED_ACT TRACEPOINT XDP PERF_EVENT CGROUP_SKB"
    " CGROUP_SOCK LWT_IN LWT_OUT LWT_XMIT SOCK_OPS SK_SKB CGROUP_DEVICE SK_MSG RAW_TRACEPOINT"
    " CGROUP_SOCK_ADDR LWT_SEG6LOCAL LIRC_MODE2 SK_REUSEPORT FLOW_DISSECTOR CGROUP_SYSCTL"
    " RAW_TRACEPOINT_WRITABLE CGROUP_SOCKOPT TRACING STRUCT_OPS EXT LSM SK_LOOKUP SYSCALL"
    " NETFILTER",
    start=0,
)


class TraceAttachType(IntEnum):
    """The part of ``enum bpf_attach_type`` that names a hook of an attach type."""

    NONE = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_SOCK_OPS = 3
    CGROUP_INET4_CONNECT = 10
    RAW_TP = 23
    FENTRY = 24
    FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_ITER = 28
    XDP = 37
    TRACE_KPROBE_MULTI = 42
    STRUCT_OPS = 44
    TCX_INGRESS = 46
    TRACE_UPROBE_MULTI = 48
    NETKIT_PRIMARY = 54
    TRACE_KPROBE_SESSION = 56
    TRACE_UPROBE_SESSION = 57
    TRACE_FSESSION = 58
    TRACE_FENTRY_MULTI = 59
    TRACE_FEXIT_MULTI = 60
    TRACE_FSESSION_MULTI = 61


_STATS_RUN_TIME = 0  # the only member of enum bpf_stats_type


def call(command: BpfCommand, attribute: Structure) -> int:
    """Call bpf(2), which may write into the attribute, and return its result.

    Raises
    ------
    OSError
        The kernel refused; the text names the command.
    """
    try:
        return _syscalls.bpf(command, attribute)
    except OSError as error:
        raise OSError(error.errno, f"bpf(BPF_{command.name})") from error


def object_info(fd: int, answer: Structure) -> int:
    """Have the kernel tell what it knows of an object, and return how many bytes it told.

    Parameters
    ----------
    fd : int
        Descriptor of a program, map, link or type information.
    answer : Structure
        Filled as far as the kernel knows it; may hold pointers to buffers and their lengths.
    """
    attribute = InfoAttr(fd, sizeof(answer), _syscalls.address(answer))
    call(BpfCommand.OBJ_GET_INFO_BY_FD, attribute)
    return int(attribute.info_len)


def raw_tracepoint_open(prog_fd: int, name: str | None) -> int:
    """Attach a program to a raw tracepoint, or a tracing program to its own hook.

    Parameters
    ----------
    prog_fd : int
        Loaded program.
    name : str or None
        Raw tracepoint.  None for ``ProgType.TRACING``: its hook is chosen at load.

    Returns
    -------
    int
        Descriptor of the link: the program stays attached until it is closed.
    """
    text = None if name is None else name.encode() + b"\0"
    address = 0 if text is None else _syscalls.address(text)
    return call(BpfCommand.RAW_TRACEPOINT_OPEN, RawTracepointAttr(address, prog_fd))


def enable_stats() -> int:
    """Have the kernel count runs of all programs until the returned descriptor is closed.

    This is ``BPF_ENABLE_STATS`` of Linux 5.8.  When the process dies, the kernel stops
    counting; with ``kernel.bpf_stats_enabled`` it would go on.
    """
    return call(BpfCommand.ENABLE_STATS, EnableStatsAttr(_STATS_RUN_TIME))


@contextmanager
def counting_runs() -> Iterator[None]:
    """Have the kernel count and time runs of all programs while the block runs.

    Raises
    ------
    RefusedError
        This process may not switch them on.
    OSError
        The kernel has no such statistics.
    """
    try:
        statistics = enable_stats()
    except PermissionError as error:
        raise RefusedError(
            "the kernel's run statistics are refused: CAP_SYS_ADMIN is missing",
            "run as root, or grant it",
        ) from error
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
        Runs skipped because the program was already running on that CPU; None on a
        kernel that does not count them (before 5.12).
    run_time_ns : int
        Time of those runs, as measured by the kernel.
    """

    prog_id: int
    run_count: int
    recursion_misses: int | None
    run_time_ns: int = 0


class CodeSizes(NamedTuple):
    """How long a loaded program is; 0 where the kernel does not tell.

    Attributes
    ----------
    translated_instructions : int
        BPF instructions after the verifier rewrote it.
    jited_bytes : int
        Machine code.
    """

    translated_instructions: int
    jited_bytes: int


def code_sizes(prog_fd: int) -> CodeSizes:
    """Return how long a loaded program is."""
    told = BpfProgInfo()
    object_info(prog_fd, told)
    return CodeSizes(told.xlated_prog_len // 8, told.jited_prog_len)


def prog_info(prog_fd: int) -> ProgInfo:
    """Return what the kernel counted for a loaded program."""
    told = BpfProgInfo()
    length_bytes = object_info(prog_fd, told)
    return ProgInfo(
        prog_id=told.id,
        run_count=told.run_cnt,
        recursion_misses=(
            told.recursion_misses if filled(told, "recursion_misses", length_bytes) else None
        ),
        run_time_ns=told.run_time_ns,
    )
