"""The host's end of the command port: one connection, one command at a time."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest import wire
from ebpf_overhead.guest.errors import GuestTimeoutError
from ebpf_overhead.guest.waiting import GRACE_S, Awaited, ConnectionLostError, Silence

Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[Stream, bytes], None]

_STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}
_READ_BYTES = 1 << 16
_HELLO_AGAIN_S = 5.0
# Of a command that prints without end; a record of measurements has kilobytes.
MOST_KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class CompletedRun:
    """A command that ran to its end.

    Parameters
    ----------
    exit_status : int
        Negative when a signal ended it.
    stdout, stderr : str
        What it wrote, unless that was handed on as it came; bytes that are no UTF-8 are
        replaced.
    """

    exit_status: int
    stdout: str
    stderr: str


class _Output:
    """What a command prints: kept, up to a bound, or handed on."""

    def __init__(self, hand_on: OnOutput | None) -> None:
        self._hand_on = hand_on
        self._kept: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.too_much = False

    def take(self, stream: Stream, data: bytes) -> None:
        if self._hand_on is not None:
            self._hand_on(stream, data)
        elif sum(map(len, self._kept.values())) + len(data) > MOST_KEPT_BYTES:
            self.too_much = True
        else:
            self._kept[stream] += data

    def texts(self) -> tuple[str, str]:
        out, error = (data.decode("utf-8", "replace") for data in self._kept.values())
        return out, error


class Session(Closing):
    """A connection to the agent of a guest.

    Parameters
    ----------
    path : Path
        The socket of the guest's command port.
    timeout_s : float
        How long to wait for the agent.
    still_there : callable, optional
        Asked while waiting; returns False when waiting is pointless.
    processor_s : callable, optional
        Returns the seconds that QEMU has had a processor, if they are known.

    Raises
    ------
    ConnectionLostError
        When there is no agent within that time.
    """

    def __init__(
        self,
        path: Path,
        timeout_s: float = GRACE_S,
        still_there: Callable[[], bool] = lambda: True,
        processor_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._still_there = still_there
        self._processor_s = processor_s
        self._lines = wire.Lines()
        self._messages: list[wire.Message] = []
        deadline_s = time.monotonic() + timeout_s
        self._socket = self._connect(path, deadline_s)
        try:
            self.facts = self._greet(deadline_s)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Hang up; a command that still runs is killed by the agent."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether `receive` would return at once."""
        return bool(self._messages)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
        last_words_s: float = 0.0,
    ) -> CompletedRun:
        """Run a command to its end.

        Parameters
        ----------
        argv : sequence of str
            The program and its arguments.
        cwd : str, optional
            Working directory.
        env : mapping, optional
            Added to the guest's environment.
        timeout : float, optional
            Seconds of the host's time after which the command is killed.
        on_output : callable, optional
            Called with the stream's name and the bytes as they come, which then are not kept.
        last_words_s : float, optional
            Seconds that the command has to end by itself when Ctrl-C interrupts this one: it is
            interrupted, too.

        Raises
        ------
        KeyboardInterrupt
            When it did not end by itself.
        GuestTimeoutError
            When it was killed for taking too long.
        FailedError
            When it was killed for printing more than `MOST_KEPT_BYTES` that had to be kept.
        ConnectionLostError
            When the guest is gone, hangs, or does not even react to the kill.
        """
        self.start(argv, cwd=cwd, env=env)
        output = _Output(on_output)
        deadline_s = None if timeout is None else time.monotonic() + timeout
        silence = Silence()
        killed: Awaited | None = None
        interruption: KeyboardInterrupt | None = None
        while True:
            try:
                event = self.receive(silence.before(deadline_s))
                silence.end()
            except KeyboardInterrupt as signalled:
                if interruption is not None or not last_words_s:
                    raise
                self._send({"op": "interrupt"})
                interruption, deadline_s = signalled, time.monotonic() + last_words_s
                continue
            except TimeoutError:
                if interruption is not None:
                    raise interruption from None
                if killed is not None:
                    deadline_s = killed.again(self._processor_s())
                    continue
                if deadline_s is None or time.monotonic() < deadline_s:
                    if silence.asks(self._processor_s()):
                        self._send({"op": "ping"})
                    continue
                event = {"event": "late"}
            if event["event"] == "exit":
                break
            if event["event"] == "output":
                output.take(_STREAMS[event["stream"]], wire.unpack(event["data"]))
            if killed is None and (event["event"] == "late" or output.too_much):
                self._send({"op": "kill"})
                killed = Awaited("end a killed command", self._processor_s())
                deadline_s = killed.again(self._processor_s())
        out, error = output.texts()
        if output.too_much:
            raise FailedError(
                f"{argv[0]} was killed in the guest: it printed more than"
                f" {MOST_KEPT_BYTES >> 20} MiB",
                "have it write to a file in the share",
            )
        if killed:
            raise GuestTimeoutError(
                f"{argv[0]} was killed in the guest after {timeout:g} s",
                "allow it more time",
                out,
                error,
            )
        return CompletedRun(event["status"], out, error)

    def begin(self, beginning: Mapping[str, Any]) -> None:
        """Tell the guest what it is to see; once, before its first command.

        Raises
        ------
        FailedError
            When it cannot have that.
        ConnectionLostError
            When it does not say so within `GRACE_S`.
        """
        self._send({"op": "begin", **beginning})
        while (event := self._next("begin"))["event"] != "begun":
            if event["event"] == "refused":
                raise FailedError(f"the guest does not come up: {event['why']}")

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        terminal: tuple[int, int] | None = None,
    ) -> None:
        """Start a command, whose messages `receive` then returns.

        Parameters
        ----------
        argv, cwd, env
            As for `run`.
        terminal : tuple of int, optional
            Rows and columns of a terminal to run it in.
        """
        if not argv or not argv[0]:
            raise FailedError("no command to run in the guest was given")
        self._send(
            {
                "op": "run",
                "argv": list(argv),
                "cwd": cwd,
                "env": dict(env or {}),
                "terminal": terminal,
            }
        )

    def type(self, data: bytes) -> None:
        """Send input to the terminal of the command that runs."""
        self._send({"op": "input", "data": wire.pack(data)})

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command's terminal its size."""
        self._send({"op": "resize", "rows": rows, "columns": columns})

    def ping(self, timeout_s: float = GRACE_S) -> None:
        """Return when the agent has answered.

        Raises
        ------
        ConnectionLostError
            When it has not within `timeout_s`.
        """
        self._send({"op": "ping"})
        while self._next("ping", timeout_s)["event"] != "pong":
            pass

    def receive(self, deadline_s: float | None = None) -> wire.Message:
        """Return the agent's next message.

        Parameters
        ----------
        deadline_s : float, optional
            Latest time, by `time.monotonic`.

        Raises
        ------
        TimeoutError
            When none has come by then.
        ConnectionLostError
            When the guest is gone.
        """
        while not self._messages:
            wait_s = 1.0 if deadline_s is None else min(1.0, deadline_s - time.monotonic())
            if wait_s <= 0:
                raise TimeoutError
            self._socket.settimeout(wait_s)
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                if not self._still_there():
                    raise ConnectionLostError("QEMU has ended") from None
                continue
            except ConnectionError as error:
                raise ConnectionLostError(str(error)) from None
            if not data:
                raise ConnectionLostError("QEMU has ended")
            self._messages += self._lines.feed(data)
        return self._messages.pop(0)

    def _next(self, asked: str, timeout_s: float = GRACE_S) -> wire.Message:
        try:
            return self.receive(time.monotonic() + timeout_s)
        except TimeoutError:
            why = f"it does not answer {asked!r} within {timeout_s:g} s"
            raise ConnectionLostError(why) from None

    def _send(self, message: wire.Message) -> None:
        self._socket.settimeout(GRACE_S)
        try:
            self._socket.sendall(wire.encode(message))
        except TimeoutError:
            raise ConnectionLostError(f"it took no message within {GRACE_S:g} s") from None
        except OSError as error:
            raise ConnectionLostError(os.strerror(error.errno or 0)) from None

    def _connect(self, path: Path, deadline_s: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        while True:
            try:
                connection.connect(str(path))
                return connection
            except (FileNotFoundError, ConnectionRefusedError):
                # QEMU has just been started, or has ended.
                if not self._still_there() or time.monotonic() > deadline_s:
                    connection.close()
                    raise ConnectionLostError("QEMU does not listen") from None
                time.sleep(0.01)

    def _greet(self, deadline_s: float) -> dict[str, Any]:
        # An answer to somebody else, who hung up before it came, is not for us.
        session = secrets.token_hex(8)
        # The empty line ends what that somebody may have left unfinished.
        hello = b"\n" + wire.encode({"op": "hello", "session": session})
        while True:
            # What is said while the guest learns of the last host's end may go under.  Saying
            # it again does no harm: commands follow later in the same stream.
            self._hail(hello)
            event = self._hear_until(min(deadline_s, time.monotonic() + _HELLO_AGAIN_S), session)
            if event is not None:
                return event
            if time.monotonic() >= deadline_s:
                raise ConnectionLostError("it does not answer")

    def _hail(self, hello: bytes) -> None:
        self._socket.settimeout(_HELLO_AGAIN_S)
        try:
            self._socket.sendall(hello)
        except TimeoutError:
            pass  # QEMU takes no more until the guest has its port; those before wait there.
        except OSError as error:
            raise ConnectionLostError(os.strerror(error.errno or 0)) from None

    def _hear_until(self, deadline_s: float, session: str) -> dict[str, Any] | None:
        while True:
            try:
                event = self.receive(deadline_s)
            except TimeoutError:
                return None
            if event.get("event") == "hello" and event.get("session") == session:
                return event
