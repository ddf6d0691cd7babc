"""What QEMU may never do, installed between fork and exec so that nothing can undo it.

QEMU's own ``-sandbox`` leaves out what a 9p server may do for a guest.  This filter is like
systemd's ``RestrictSUIDSGID=``: no file becomes setuid or setgid, no device node is made, and no
file capability is set, on whichever directory of the host, by whomever.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
from collections.abc import Callable

from ebpf_overhead.architectures import Architecture, here

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

# linux/audit.h, linux/seccomp.h
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
# Numbers from here on are those of the x32 interface of x86_64 (asm/unistd.h), or none.
_X32 = 0x40000000

# linux/bpf_common.h: load a word, jump if equal, if not below, and-ing, return.
_LOAD, _EQUAL, _NOT_BELOW, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
# Offsets in struct seccomp_data: number, architecture, and the low half of an argument.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

_SETID = 0o6000
_CREATE = os.O_CREAT
_KIND, _CHARACTER, _BLOCK = 0o170000, 0o020000, 0o060000

# System calls, with the argument that is a mode.
_MODE_OF = {
    **{"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2},
    **{"mkdir": 1, "mkdirat": 2, "creat": 1},
}
_MODE_OF_NODE = {"mknod": 1, "mknodat": 2}
_FLAGS_OF = {"open": 1, "openat": 2}  # the mode follows the flags
_XATTR = ("setxattr", "lsetxattr", "fsetxattr", "setxattrat")
# Their arguments lie in memory, where a filter cannot look.  Callers know how to do without.
_UNSEEN = ("openat2", "io_uring_setup")

_Instruction = tuple[int, int, int, int]


def program(architecture: Architecture) -> bytes:
    """Return the filter for an architecture: an array of ``struct sock_filter``."""
    refused, absent = _refuse(errno.EPERM), _refuse(errno.ENOSYS)
    code = [
        *_load(_ARCH),
        *((_EQUAL, 1, 0, architecture.audit), refused),
        *_load(_NUMBER),
        *((_NOT_BELOW, 0, 1, _X32), refused),
    ]
    bodies: list[tuple[str, list[_Instruction]]] = [
        *((name, _unless_set(mode, _SETID)) for name, mode in _MODE_OF.items()),
        *(
            (name, [*_no_device(mode), *_unless_set(mode, _SETID)])
            for name, mode in _MODE_OF_NODE.items()
        ),
        *(
            (name, [*_creating(flags), *_unless_set(flags + 1, _SETID)])
            for name, flags in _FLAGS_OF.items()
        ),
        *((name, [_refuse(errno.EOPNOTSUPP)]) for name in _XATTR),
        *((name, [absent]) for name in _UNSEEN),
    ]
    for name, body in bodies:
        if name in architecture.calls:
            code += _on(architecture.calls[name], body)
    code.append(_allow())
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class Confinement:
    """Runs between fork and exec, after the change of user.

    Parameters
    ----------
    then : callable
        Run after it.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        # All that needs memory or a look-up is made before the fork.
        code = program(here())
        self._code = ctypes.create_string_buffer(code, len(code))
        self._filter = ctypes.create_string_buffer(
            struct.pack("@HP", len(code) // 8, ctypes.addressof(self._code))
        )
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self._prctl.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 4]
        self._then = then

    def __call__(self) -> None:
        """Confine this process and all that it starts.

        Raises
        ------
        OSError
            When the kernel has no seccomp filters.
        """
        # A core file would hold the guest's memory.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if (
            self._prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or self._prctl(
                _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._filter), 0, 0
            )
            != 0
        ):
            raise OSError(ctypes.get_errno(), "QEMU cannot be confined by a seccomp filter")
        self._then()


def _on(number: int, body: list[_Instruction]) -> list[_Instruction]:
    # The accumulator holds the system call's number before and, if it is another one, after.
    return [(_EQUAL, 0, len(body), number), *body]


def _unless_set(argument: int, bits: int) -> list[_Instruction]:
    return [
        *_load(_ARGUMENTS + 8 * argument),
        *((_AND, 0, 0, bits), (_EQUAL, 0, 1, 0), _allow(), _refuse(errno.EPERM)),
    ]


def _no_device(argument: int) -> list[_Instruction]:
    return [
        *_load(_ARGUMENTS + 8 * argument),
        *((_AND, 0, 0, _KIND), (_EQUAL, 1, 0, _CHARACTER), (_EQUAL, 0, 1, _BLOCK)),
        _refuse(errno.EPERM),
    ]


def _creating(argument: int) -> list[_Instruction]:
    # Without O_CREAT the mode's register holds anything.
    return [
        *_load(_ARGUMENTS + 8 * argument),
        *((_AND, 0, 0, _CREATE), (_EQUAL, 0, 1, 0), _allow()),
    ]


def _load(offset: int) -> list[_Instruction]:
    return [(_LOAD, 0, 0, offset)]


def _allow() -> _Instruction:
    return (_RETURN, 0, 0, _ALLOW)


def _refuse(number: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)
