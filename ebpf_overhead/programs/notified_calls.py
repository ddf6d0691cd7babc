"""System calls of another program that this process is asked about before the kernel does them.

A seccomp filter of the other process hands them over (``SECCOMP_RET_USER_NOTIF``, Linux 5.5).  Each
is passed on to the kernel, or answered with a number or a descriptor.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import TypeVar

from ebpf_overhead import architectures

_T = TypeVar("_T", bound=ctypes.Structure)
# System calls that are asked about, by the name of the first.
_ASKED = {
    "bpf": ("bpf",),
    "perf_event_open": ("perf_event_open",),
    "ioctl": ("ioctl",),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
}
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_USER_NOTIF, _ALLOW = 0x7FC00000, 0x7FFF0000
_RECEIVE, _SEND, _ADD_FD = 0xC0502100, 0xC0182101, 0x40182103
_NOTIFICATION = struct.Struct("=QII iIQ 6Q")  # struct seccomp_notif
_RESPONSE = struct.Struct("=Qqi I")  # struct seccomp_notif_resp
_CONTINUE = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class NotifiedCall:
    """A system call that waits for its answer.

    Attributes
    ----------
    cookie : int
        What the kernel calls it.
    thread : int
        Who makes it.
    name : str
        ``bpf``, ``perf_event_open``, ``ioctl`` or ``epoll_wait``.
    arguments : tuple of int
        Its six arguments.
    """

    cookie: int
    thread: int
    name: str
    arguments: tuple[int, ...]


class Listener:
    """The calls that a process and its threads make.

    Parameters
    ----------
    fd : int
        What `listened` returned there.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._names = {number: name for name, numbers in _numbers().items() for number in numbers}

    def next(self) -> NotifiedCall | None:
        """Return a call, when there is one; None if who made it is gone."""
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.fd, _RECEIVE, buffer)
        except FileNotFoundError:
            return None
        cookie, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        return NotifiedCall(cookie, thread, self._names[number], tuple(arguments))

    def pass_on(self, call: NotifiedCall) -> None:
        """Have the kernel do a call."""
        self._respond(call, 0, _CONTINUE)

    def answer(self, call: NotifiedCall, value: int) -> None:
        """Have a call return a number, or a negative errno, without being done."""
        self._respond(call, value, 0)

    def hand_over(self, call: NotifiedCall, fd: int) -> None:
        """Have a call return a descriptor of what this process has open, and close it here."""
        request = bytearray(struct.pack("=QIIII", call.cookie, 0, fd, 0, os.O_CLOEXEC))
        try:
            self.answer(call, fcntl.ioctl(self.fd, _ADD_FD, request))
        except FileNotFoundError:
            return
        finally:
            os.close(fd)

    def _respond(self, call: NotifiedCall, value: int, flags: int) -> None:
        response = _RESPONSE.pack(call.cookie, max(value, 0), min(value, 0), flags)
        try:
            fcntl.ioctl(self.fd, _SEND, response)
        except FileNotFoundError:
            return  # who made the call was killed meanwhile


def _numbers() -> dict[str, list[int]]:
    calls = architectures.here().calls
    return {name: [calls[each] for each in of if each in calls] for name, of in _ASKED.items()}


def listened(commands: tuple[int, ...]) -> int:
    """Return a listener for the calls of this process, from now on.

    Parameters
    ----------
    commands : tuple of int
        Of ioctl(2); with others it is not asked for.

    Raises
    ------
    OSError
        The kernel has no such filters.
    """
    numbers = _numbers()
    load, equal, result = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET
    asked = [*numbers["bpf"], *numbers["perf_event_open"], *numbers["epoll_wait"]]
    # Behind each comparison: how many instructions to the one that asks.
    rules = [(load, 0, 0, 4), (equal, 1, 0, architectures.here().audit)]
    rules += [(result, 0, 0, _ALLOW), (load, 0, 0, 0)]
    tests = [(equal, number) for number in asked]
    left = len(tests) + 2 + len(commands)
    for done, (code, number) in enumerate(tests):
        rules.append((code, left - done, 0, number))
    rules += [(equal, 0, 1 + len(commands), numbers["ioctl"][0]), (load, 0, 0, 24)]
    for done, command in enumerate(commands):
        rules.append((equal, len(commands) - done, 0, command))
    rules += [(result, 0, 0, _ALLOW), (result, 0, 0, _USER_NOTIF)]
    content = b"".join(struct.pack("=HBBI", *rule) for rule in rules)
    buffer = ctypes.create_string_buffer(content)
    program = struct.pack("=H6xQ", len(rules), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = ctypes.c_ulong
    none = unsigned(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, unsigned(1), none, none, none)
    fd: int = libc.syscall(
        *map(
            ctypes.c_long, (architectures.here().calls["seccomp"], _SET_MODE_FILTER, _NEW_LISTENER)
        ),
        program,
    )
    if fd < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return fd


def taken_over(process: int, fd: int) -> int:
    """Return a descriptor of what another process has open (``pidfd_getfd(2)``, Linux 5.6).

    Parameters
    ----------
    process : int
        Descriptor of the process (``pidfd_open(2)``).
    fd : int
        Its number there.

    Raises
    ------
    OSError
        There is no such descriptor, or privileges are missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    found: int = libc.syscall(
        *map(ctypes.c_long, (architectures.here().calls["pidfd_getfd"], process, fd, 0))
    )
    if found < 0:
        raise OSError(ctypes.get_errno(), f"descriptor {fd} of another process")
    return found


class ProcessMemory:
    """The memory of another process, while it waits in a system call.

    Parameters
    ----------
    process : int
        Its number.
    """

    def __init__(self, process: int) -> None:
        self._path = f"/proc/{process}/mem"

    def read(self, address: int, size: int) -> bytes:
        """Return what is there; less where its memory ends before."""
        # The memory of before is another one when a process executes a program.
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, address) if size else b""
        finally:
            os.close(fd)

    def write(self, address: int, content: bytes) -> None:
        """Put something there."""
        fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, content, address)
        finally:
            os.close(fd)

    def text(self, address: int, longest: int = 4096) -> str:
        """Return the text that ends with a zero byte."""
        found = b""
        while address and b"\0" not in found and len(found) < longest:
            # No read goes beyond a page: the next one may be nobody's.
            found += self.read(address + len(found), 256 - (address + len(found)) % 256)
        return found.partition(b"\0")[0].decode(errors="replace")

    def structure(self, kind: type[_T], address: int, size: int = 1 << 16) -> _T:
        """Return a structure of which no more than ``size`` bytes are there; the rest is zero."""
        length = ctypes.sizeof(kind)
        return kind.from_buffer_copy(self.read(address, min(size, length)).ljust(length, b"\0"))
