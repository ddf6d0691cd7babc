"""Catching the calls of bpf(2) that a library makes in this process.

For the processes in which BCC and libbpf work: a seccomp filter turns each call into a signal,
whose handler answers it.  Little else of this package is imported.
"""

from __future__ import annotations

import ctypes
import signal
import struct
from abc import ABC, abstractmethod

from ebpf_overhead import architectures

# Where in ucontext_t the registers of a system call's arguments and of its result are.
_REGISTERS = {
    "x86_64": ((104, 112, 136), 144),
    "aarch64": ((184, 192, 200), 184),
}
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_SECCOMP_RET_TRAP, _SECCOMP_RET_ALLOW = 0x00030000, 0x7FFF0000
_SA_SIGINFO = 4
# Sixth argument of the calls of bpf(2) that are passed on.
_PASSED = 0x6F62F001


class CaughtCalls(ABC):
    """The calls of bpf(2) in this process from now on, caught before they reach the kernel.

    Parameters
    ----------
    passes : bool
        Whether :meth:`pass_on` is wanted: by it, and by nothing else, calls reach the kernel.
    """

    def __init__(self, passes: bool = False) -> None:
        self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
            self._caught
        )
        architecture = architectures.here()
        self._number = architecture.calls["bpf"]
        self._arguments, self._result = _REGISTERS[architecture.name]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._catch()
        _filter(architecture.audit, self._number, passes)

    @abstractmethod
    def answer(self, command: int, attribute: int, size: int) -> int:
        """Return what a call returns: a number of its own, or a negative errno.

        Parameters
        ----------
        command : int
            Of ``enum bpf_cmd``.
        attribute, size : int
            Address and length of the attribute.
        """

    def pass_on(self, command: int, attribute: int, size: int) -> int:
        """Have the kernel do a call, and return its answer as :meth:`answer` does."""
        unsigned, none = ctypes.c_ulong, ctypes.c_ulong(0)
        given = (unsigned(command), unsigned(attribute), unsigned(size))
        done: int = self._libc.syscall(
            ctypes.c_long(self._number), *given, none, none, unsigned(_PASSED)
        )
        return -ctypes.get_errno() if done < 0 else done

    def _catch(self) -> None:
        """Handle SIGSYS at once.  The signal module would wait for the call to return.

        That is safe here: the signal is no interruption, it comes from a system call that this
        thread makes.
        """
        address = ctypes.cast(self._handler, ctypes.c_void_p).value or 0
        # struct sigaction of the C library: handler, mask of 1,024 signals, flags, restorer.
        action = struct.pack("=Q128siiQ", address, b"", _SA_SIGINFO, 0, 0)
        if self._libc.sigaction(signal.SIGSYS, action, None):
            raise OSError(ctypes.get_errno(), "sigaction")

    def _caught(self, _signal: int, _info: int, context: int) -> None:
        command, attribute, size = (_word(context + place).value for place in self._arguments)
        found = self.answer(command & 0xFFFFFFFF, attribute, size & 0xFFFFFFFF)
        _word(context + self._result).value = found & (1 << 64) - 1


def _word(address: int) -> ctypes.c_uint64:
    return ctypes.c_uint64.from_address(address)


def _filter(architecture: int, number: int, passes: bool) -> None:
    """Have the kernel send SIGSYS for bpf(2) instead of doing it.

    With ``passes``, a call whose sixth argument is :data:`_PASSED` is done; bpf(2) has three.
    """
    load, equal, result = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET
    passed = ((load, 0, 0, 56), (equal, 1, 0, _PASSED)) if passes else ()  # args[5], lower half
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load, 0, 0, 4),  # seccomp_data.arch
            (equal, 0, 3 + len(passed), architecture),
            (load, 0, 0, 0),  # seccomp_data.nr
            (equal, 0, 1 + len(passed), number),
            *passed,
            (result, 0, 0, _SECCOMP_RET_TRAP),
            (result, 0, 0, _SECCOMP_RET_ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(program)
    rules = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = ctypes.c_ulong
    if libc.prctl(
        _PR_SET_NO_NEW_PRIVS, unsigned(1), unsigned(0), unsigned(0), unsigned(0)
    ) or libc.prctl(_PR_SET_SECCOMP, unsigned(_SECCOMP_MODE_FILTER), rules):
        raise OSError(ctypes.get_errno(), "prctl")
