"""The agent: serves one host at a time, one command at a time, from PID 1.

Everything waits in one epoll object.  The ports are watched edge-triggered, because a port
without a host reads as hung up all the time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ebpf_overhead.guest import child, wire
from ebpf_overhead.guest.begin import begin
from ebpf_overhead.guest.init import power_off

# Output is not read from a command while this much waits for the host.
_BACKLOG_BYTES = 1 << 20
_READ_BYTES = 1 << 16
# How long the port must read as hung up before that is believed, in the guest's time.
_HANGUP_S = 0.05


class Agent:
    """Serves commands over a virtio-serial port.

    Parameters
    ----------
    command_port, life_port : str
        Devices.  When the life port hangs up, the guest ends.
    python_names : sequence of str
        What commands call this interpreter.
    facts : mapping
        Told to every host in the reply to its hello.
    """

    def __init__(
        self,
        command_port: str,
        life_port: str,
        *,
        python_names: Sequence[str],
        facts: Mapping[str, Any],
    ) -> None:
        self._python_names = python_names
        self._facts = facts
        self._epoll = select.epoll()
        self._port = self._watch(command_port, select.EPOLLOUT)
        self._life = self._watch(life_port, 0)
        self._signals, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._signals, select.EPOLLIN)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._lines = wire.Lines()
        self._unsent = bytearray()
        self._child: child.Child | None = None
        self._outputs: dict[int, int] = {}
        self._status: int | None = None
        self._queued: child.Command | None = None
        self._held: list[wire.Message] = []  # For the queued command's terminal.
        self._abandoned = False
        self._hung_up_until_s: float | None = None

    def serve(self) -> None:
        """Serve until the life port hangs up; then end the guest."""
        while True:
            for descriptor, events in self._epoll.poll(self._patience_s()):
                if descriptor == self._life:
                    if events & (select.EPOLLHUP | select.EPOLLERR):
                        power_off()
                elif descriptor == self._port:
                    self._serve_port(events)
                elif descriptor == self._signals:
                    os.read(self._signals, _READ_BYTES)
                elif descriptor in self._outputs:
                    self._forward(descriptor)
            self._confirm_hangup()
            self._reap()
            self._flush()

    def _watch(self, device: str, events: int) -> int:
        port = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(port, select.EPOLLIN | select.EPOLLET | events)
        return port

    # The host.

    def _serve_port(self, events: int) -> None:
        while data := self._read_port():
            for message in self._lines.feed(data):
                self._obey(message)
        if events & select.EPOLLHUP and self._hung_up_until_s is None:
            self._hung_up_until_s = time.monotonic() + _HANGUP_S

    # The news that a host has come or gone take another way than its data, so the hello of
    # the next host may be read, and answered, while the port still reads as hung up by the
    # one before.  That state ends within a few thousand instructions; a port that stays hung
    # up has been left.

    def _patience_s(self) -> float | None:
        if self._hung_up_until_s is None:
            return None
        return max(self._hung_up_until_s - time.monotonic(), 0)

    def _confirm_hangup(self) -> None:
        if self._patience_s() != 0:
            return
        self._hung_up_until_s = None
        poll = select.poll()
        poll.register(self._port, 0)
        if poll.poll(0):
            self._lines.clear()
            self._abandon()

    def _read_port(self) -> bytes:
        try:
            return os.read(self._port, _READ_BYTES)
        except BlockingIOError:
            return b""

    def _obey(self, message: wire.Message) -> None:
        op = message.get("op")
        if op == "hello":
            # A new host: the one before may have gone unseen.
            self._abandon()
            # The empty line ends what the one before may have been sent half of.
            self._unsent += b"\n"
            self._send({"event": "hello", "session": message.get("session"), **self._facts})
        elif op == "ping":
            self._send({"event": "pong"})
        elif op == "begin":
            self._begin(message)
        elif op == "run":
            self._accept(message)
        elif op == "kill":
            self._kill_all()
        elif op == "interrupt":
            self._interrupt()
        elif op in ("input", "resize"):
            self._to_terminal(message)

    def _begin(self, message: wire.Message) -> None:
        try:
            begin(message)
        except OSError as error:
            self._send({"event": "refused", "why": f"{error.filename}: {error.strerror}"})
        else:
            self._send({"event": "begun"})

    def _accept(self, message: wire.Message) -> None:
        terminal = message.get("terminal")
        command = child.Command(
            message["argv"],
            message["cwd"],
            message["env"],
            (terminal[0], terminal[1]) if terminal else None,
        )
        if self._child is None:
            self._start(command)
        elif self._abandoned:
            self._queued = command  # The last one's processes are being ended.
        else:
            self._send({"event": "refused", "why": "a command is running already"})

    def _to_terminal(self, message: wire.Message) -> None:
        if self._queued is not None:
            self._held.append(message)
            return
        if self._child is None or self._child.terminal is None:
            return
        try:
            if message["op"] == "input":
                os.write(self._child.terminal, wire.unpack(message["data"]))
            else:
                child.resize(self._child.terminal, message["rows"], message["columns"])
        except OSError:
            pass  # It has ended; its exit is on the way.

    def _send(self, message: wire.Message) -> None:
        self._unsent += wire.encode(message)

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = os.write(self._port, self._unsent[:_READ_BYTES])
            except BlockingIOError:
                break  # The port says when there is room.
            except OSError:
                self._unsent.clear()
                break
            del self._unsent[:sent]
        self._pace()

    def _abandon(self) -> None:
        # Nobody listens any more.
        self._unsent.clear()
        self._queued = None
        self._held.clear()
        if self._child is not None:
            self._abandoned = True
            self._kill_all()

    # The command.

    def _start(self, command: child.Command) -> None:
        self._status = None
        self._abandoned = False
        self._child = child.start(command, self._python_names)
        self._outputs = dict(self._child.outputs)
        for descriptor in self._outputs:
            self._epoll.register(descriptor, select.EPOLLIN)

    def _pace(self) -> None:
        events = 0 if len(self._unsent) > _BACKLOG_BYTES else select.EPOLLIN
        for descriptor in self._outputs:
            self._epoll.modify(descriptor, events)

    def _forward(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # What a terminal says when nobody has it open.
                raise
            data = b""
        if not data:
            self._epoll.unregister(descriptor)
            os.close(descriptor)
            del self._outputs[descriptor]
        elif not self._abandoned:
            stream = self._outputs[descriptor]
            self._send({"event": "output", "stream": stream, "data": wire.pack(data)})

    def _interrupt(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGINT)

    def _kill_all(self) -> None:
        # From PID 1 this reaches every process but itself: commands leave nothing running.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def _reap(self) -> None:
        alone = False
        while not alone:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                alone = True
                break
            if pid == 0:
                break
            if self._child is not None and pid == self._child.pid:
                self._status = os.waitstatus_to_exitcode(status)
                self._kill_all()
        if self._child is not None and alone and not self._outputs:
            self._finish()

    def _finish(self) -> None:
        if not self._abandoned:
            self._send({"event": "exit", "status": self._status})
        self._child = None
        queued, self._queued = self._queued, None
        held, self._held = self._held, []
        if queued is not None:
            self._start(queued)
            for message in held:
                self._to_terminal(message)
