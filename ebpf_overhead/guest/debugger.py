"""Stepping through what a guest executes, by QEMU's debugger interface.

That is GDB's remote protocol, of which five packets are enough:
https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html

While QEMU steps it delivers neither interrupts nor timers (its ``NOIRQ`` and ``NOTIMER``, which are
on by default), so a call is followed to its end and nothing else is seen.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError

# A step takes QEMU about a millisecond.  One that waits for an interrupt never ends.
_TIMEOUT_S = 30.0
_STEPS_IN_VAIN = 100
_READ_BYTES = 1 << 16
# Of the answer to ``g`` on x86-64: 16 general registers of 8 bytes, then the program counter.
_REGISTER_DIGITS = 16
_STACK_POINTER, _PROGRAM_COUNTER = 7, 16
_ANSWER = re.compile(rb"\$([^#]*)#..", re.DOTALL)


class Stop(NamedTuple):
    """Where the guest's CPU is.

    Attributes
    ----------
    pc : int
        Address of the next instruction.
    sp : int
        Stack pointer.
    """

    pc: int
    sp: int


class Debugger(Closing):
    """A stopped guest, which is stepped through.

    Parameters
    ----------
    connection : socket.socket
        Served by QEMU.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(_TIMEOUT_S)
        self._received = b""
        # As the last step left them.
        self._registers = ""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def run_to(self, address: int) -> None:
        """Let the guest run until its next instruction is the one at an address.

        Raises
        ------
        FailedError
            It does not come there, or QEMU does not answer.
        """
        self._registers = ""
        self._expect("OK", f"Z0,{address:x},1")
        try:
            self._expect("T05", "vCont;c")
        finally:
            self._expect("OK", f"z0,{address:x},1")

    def step(self) -> Stop:
        """Execute one instruction, and return where the CPU is then.

        Of an instruction that repeats itself (``rep``), that is one pass.

        Raises
        ------
        FailedError
            It waits for an interrupt, or QEMU does not answer.
        """
        before = self._registers or self._ask("g")
        # A step in which QEMU has something else to do executes nothing: no register changes.
        for _ in range(_STEPS_IN_VAIN):
            self._expect("T05", "vCont;s")
            self._registers = self._ask("g")
            if self._registers != before:
                return _place(self._registers)
        raise FailedError(
            f"{_STEPS_IN_VAIN} steps of the guest executed nothing",
            "choose a workload that does not wait",
        )

    def place(self) -> Stop:
        """Return where the CPU is."""
        return _place(self._ask("g"))

    def read(self, address: int, length_bytes: int) -> bytes:
        """Return what lies at an address; empty where the CPU could not read it."""
        answer = self._ask(f"m{address:x},{length_bytes:x}")
        return b"" if answer.startswith("E") else bytes.fromhex(answer)

    def _expect(self, wanted: str, packet: str) -> None:
        answer = self._ask(packet)
        if not answer.startswith(wanted):
            raise FailedError(f"QEMU's debugger interface answers {answer!r} to {packet!r}")

    def _ask(self, packet: str) -> str:
        """Send a packet and return the answer.  Both ends acknowledge with a ``+``."""
        content = packet.encode()
        try:
            self._connection.sendall(b"+$%b#%02x" % (content, sum(content) % 256))
            while (found := _ANSWER.search(self._received)) is None:
                data = self._connection.recv(_READ_BYTES)
                if not data:
                    raise FailedError("QEMU's debugger interface hung up")
                self._received += data
        except TimeoutError:
            raise FailedError(
                f"the guest did not stop within {_TIMEOUT_S:g} s of {packet!r}",
                "choose a workload that does not wait",
            ) from None
        except OSError as error:
            raise FailedError(f"QEMU's debugger interface is gone: {error}") from None
        self._received = self._received[found.end() :]
        return found[1].decode("ascii", "replace")


def _place(registers: str) -> Stop:
    return Stop(_register(registers, _PROGRAM_COUNTER), _register(registers, _STACK_POINTER))


def _register(registers: str, number: int) -> int:
    """Return a register of the answer to ``g``: its bytes in hexadecimal, the lowest first."""
    digits = registers[number * _REGISTER_DIGITS :][:_REGISTER_DIGITS]
    try:
        return int.from_bytes(bytes.fromhex(digits), "little")
    except ValueError:
        raise FailedError(f"QEMU's debugger interface shows no register {number}") from None
