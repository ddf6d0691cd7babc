"""System calls that a seccomp filter refuses, as a container's does."""

from __future__ import annotations

import ctypes
import errno
import struct

from ebpf_overhead import architectures

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_SECCOMP_RET_ERRNO, _SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K


def refuse(names: tuple[str, ...], number: int = errno.EPERM) -> None:
    """Have this process's system calls of these names fail from now on, and its children's."""
    calls = architectures.here().calls
    rules = [(_LOAD, 0, 0, 0)]  # seccomp_data.nr
    for name in names:
        rules += [(_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, _SECCOMP_RET_ERRNO | number)]
    rules.append((_RETURN, 0, 0, _SECCOMP_RET_ALLOW))
    code = b"".join(struct.pack("=HBBI", *rule) for rule in rules)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(rules), ctypes.addressof(kept))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(
        _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program
    ):
        raise OSError(ctypes.get_errno(), "prctl")
