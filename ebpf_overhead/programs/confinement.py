"""Taking from a forked process what it does not need to have libbpf read an object.

It has little time and memory, no files but its answer, the user id of nobody, and only the
capabilities that loading takes: what the object's programs may do anyway.  A process that becomes
bpftrace has the same ones, but stays root, as which alone bpftrace runs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

LARGEST_ANSWER_BYTES = 64 << 20
_CPU_S, _MORE_MEMORY_BYTES = 20, 1 << 30
_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 1, 8, 24
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV = 0x2, 0x4
_TRACEFS = b"/sys/kernel/tracing"
_MOUNT_SETATTR = 442  # Linux 5.12, on every machine
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
# CAP_NET_ADMIN, CAP_SYS_RESOURCE, CAP_SYSLOG (addresses of symbols), CAP_PERFMON, CAP_BPF.
_KEPT = sum(1 << number for number in (12, 24, 34, 38, 39))
_IPC_LOCK = 1 << 14  # perf buffers may be as large as wanted


def confine(kept: Sequence[int]) -> None:
    """Take from this process what it does not need.

    Parameters
    ----------
    kept : sequence of int
        Descriptors that stay open.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = ctypes.c_ulong
    _limit(libc, kept)
    if os.geteuid() == 0:
        libc.prctl(_PR_SET_KEEPCAPS, unsigned(1), unsigned(0), unsigned(0), unsigned(0))
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _keep_capabilities(libc)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    libc.prctl(_PR_SET_PDEATHSIG, unsigned(signal.SIGKILL))  # another user's process loses it


def confine_command(kept: Sequence[int]) -> None:
    """Take from this process what a command that it becomes does not need.

    The command keeps its user, whom it may ask for, but not what root may do besides.  It sees
    tracefs, and writes to no file system but a `/tmp` of its own.

    Parameters
    ----------
    kept : sequence of int
        Descriptors that stay open.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(libc, kept)
    _see_tracefs_only_reading(libc)
    none = ctypes.c_ulong(0)
    kept_capabilities = _KEPT | _IPC_LOCK
    for number in range(64):
        if not kept_capabilities >> number & 1:
            libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), none, none, none)
    _keep_capabilities(libc, kept_capabilities)


def _see_tracefs_only_reading(libc: ctypes.CDLL) -> None:
    """Mount tracefs where only this process sees it; whoever may not do that may miss it."""
    if libc.unshare(_CLONE_NEWNS) or libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None):
        return
    libc.mount(b"tracefs", _TRACEFS, b"tracefs", ctypes.c_ulong(0), None)
    # struct mount_attr: set, clear, propagation, user namespace.
    wanted = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    numbers = map(ctypes.c_long, (_MOUNT_SETATTR, _AT_FDCWD))
    libc.syscall(*numbers, b"/", ctypes.c_long(_AT_RECURSIVE), wanted, ctypes.c_long(len(wanted)))
    # bpftrace 0.27 keeps files there while it compiles.
    libc.mount(b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(_MS_NOSUID | _MS_NODEV), b"size=64m")


def _limit(libc: ctypes.CDLL, kept: Sequence[int]) -> None:
    """End with the parent, have no other files, and little time and memory."""
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    _close_all_but({0, 1, 2, *kept})
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most_bytes = used_bytes + _MORE_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_ANSWER_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _close_all_but(kept: set[int]) -> None:
    first = 0
    for last in [*sorted(kept), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]:
        if first < last:  # closerange(0, 0) closes all of them
            os.closerange(first, last)
        first = last + 1


def _keep_capabilities(libc: ctypes.CDLL, wanted: int = _KEPT) -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    data = ctypes.create_string_buffer(24)
    # Two halves of effective, permitted and inheritable capabilities.
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    halves = [*struct.unpack("=6I", data.raw[:24])]
    for half in (0, 1):
        kept = halves[3 * half + 1] & (wanted >> 32 * half & 0xFFFFFFFF)
        halves[3 * half : 3 * half + 3] = [kept, kept, 0]
    if libc.capset(header, struct.pack("=6I", *halves)):
        raise OSError(ctypes.get_errno(), "capset")
