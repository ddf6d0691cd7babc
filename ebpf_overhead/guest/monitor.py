"""QEMU's own control connection (QMP): saving and restoring a guest, stepping through it.

https://www.qemu.org/docs/master/interop/qmp-spec.html
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError

# Far above what saving and restoring take, which is less than a second.
_TIMEOUT_S = 60.0
_POLL_S = 0.005
_FILE = "state"  # The name under which QEMU has the file.
_DEBUGGER = "debugger"  # The same for the debugger's socket.
# QEMU saves slowly unless told otherwise, as if to a network that others use.
_BYTES_PER_S = 1 << 40


class Monitor(Closing):
    """The control connection of a QEMU that runs.

    Parameters
    ----------
    connection : socket.socket
        Connected to it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(_TIMEOUT_S)
        self._lines = connection.makefile("rb")
        self._greeted = False

    def close(self) -> None:
        """Hang up; the guest goes on."""
        self._lines.close()
        self._connection.close()

    def save(self, descriptor: int) -> None:
        """Write the guest's state to a file, and let the guest go on.

        Parameters
        ----------
        descriptor : int
            The file's.

        Raises
        ------
        FailedError
            QEMU does not do it, and says why.
        """
        self._execute("stop")
        try:
            self._execute("migrate-set-parameters", (), **{"max-bandwidth": _BYTES_PER_S})
            self._give(descriptor)
            self._execute("migrate", uri=f"fd:{_FILE}")
            self._await("query-migrate", "setup", "active", "device", "completed")
            # QEMU says "completed" a moment before its state changes for the last time.  One that
            # goes on in that moment aborts.
            self._await("query-status", "paused", "finish-migrate", "postmigrate")
        finally:
            self.go_on()

    def begin_load(self, descriptor: int) -> None:
        """Begin to bring the guest, which does not run yet, into a state that was saved.

        Parameters
        ----------
        descriptor : int
            The file's, at the place from which it is to be read.

        Raises
        ------
        FailedError
            QEMU takes no state.
        """
        self._give(descriptor)
        self._execute("migrate-incoming", uri=f"fd:{_FILE}")

    def await_load(self) -> None:
        """Return when the guest is in the state that was saved.

        Raises
        ------
        FailedError
            QEMU cannot make use of it.
        """
        self._await("query-status", "inmigrate", "paused")

    def attach_debugger(self, descriptor: int) -> None:
        """Have a socket served by QEMU's debugger interface; the guest stops.

        Parameters
        ----------
        descriptor : int
            The socket's.

        Raises
        ------
        FailedError
            QEMU does not do it, and says why.
        """
        self._execute("getfd", [descriptor], fdname=_DEBUGGER)
        address = {"type": "fd", "data": {"str": _DEBUGGER}}
        backend = {"type": "socket", "data": {"addr": address, "server": False}}
        self._execute("chardev-add", id=_DEBUGGER, backend=backend)
        self._command(f"gdbserver chardev:{_DEBUGGER}")

    def detach_debugger(self) -> None:
        """End what `attach_debugger` began, and let the guest run.

        Raises
        ------
        FailedError
            QEMU does not do it, and says why.
        """
        self._command("gdbserver none")  # QEMU closes the socket with it.
        self.go_on()

    def go_on(self) -> None:
        """Let the guest run.

        Raises
        ------
        FailedError
            QEMU does not do it, and says why.
        """
        self._execute("cont")

    def _await(self, question: str, *meanwhile: str) -> None:
        """Ask until the last of the answers that are right comes."""
        deadline_s = time.monotonic() + _TIMEOUT_S
        while (answer := self._execute(question)).get("status") != meanwhile[-1]:
            if answer.get("status", meanwhile[0]) not in meanwhile:
                why = answer.get("error-desc") or answer["status"]
                raise FailedError(f"QEMU's {question} says {why}")
            if time.monotonic() > deadline_s:
                raise FailedError(f"QEMU's {question} says {answer} for {_TIMEOUT_S:g} s")
            time.sleep(_POLL_S)

    def _command(self, line: str) -> None:
        # What QEMU has only for people: it answers with words, whether it failed or not.
        self._execute("human-monitor-command", (), **{"command-line": line})

    def _give(self, descriptor: int) -> None:
        self._execute("getfd", [descriptor], fdname=_FILE)

    def _execute(
        self, command: str, descriptors: Sequence[int] = (), **arguments: object
    ) -> dict[str, Any]:
        if not self._greeted:
            self._receive()  # QEMU speaks first.
            self._greeted = True
            self._execute("qmp_capabilities")
        message = {"execute": command, "arguments": arguments}
        try:
            socket.send_fds(self._connection, [json.dumps(message).encode() + b"\n"], descriptors)
        except OSError as error:
            raise FailedError(f"QEMU takes no {command}: {error}") from None
        while True:
            answer = self._receive()
            if "error" in answer:
                raise FailedError(f"QEMU refuses {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                found: dict[str, Any] = answer["return"]
                return found

    def _receive(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._lines.readline())
        except (OSError, ValueError) as error:
            raise FailedError(f"QEMU does not answer: {error}") from None
        return answer
