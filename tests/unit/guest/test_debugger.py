"""QEMU's debugger interface, with a QEMU made up that executes a list of places."""

from __future__ import annotations

import socket
import threading

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest import debugger as module
from ebpf_overhead.guest.debugger import Debugger, Stop


def registers(place: Stop, changed: int = 0) -> bytes:
    values = [changed] + [0] * 6 + [place.sp] + [0] * 8 + [place.pc]
    return b"".join(value.to_bytes(8, "little").hex().encode() for value in values) + b"0" * 64


class Stub:
    """The other end: answers packets, one state of the registers per step."""

    def __init__(self, connection: socket.socket, states: list[bytes]) -> None:
        self.heard: list[str] = []
        self._connection, self._states = connection, states

    def serve(self) -> None:
        data = b""
        while got := self._connection.recv(4096):
            data += got
            while b"#" in data and len(data) >= data.index(b"#") + 3:
                end = data.index(b"#")
                packet = data[data.index(b"$") + 1 : end]
                assert int(data[end + 1 : end + 3], 16) == sum(packet) % 256
                data = data[end + 3 :]
                self._answer(packet.decode())

    def _answer(self, packet: str) -> None:
        self.heard.append(packet)
        answer = b"OK"
        if packet == "vCont;s":
            self._states.pop(0) if len(self._states) > 1 else None
        if packet.startswith("vCont"):
            answer = b"T05thread:01;"
        if packet == "g":
            answer = self._states[0]
        if packet.startswith("m"):
            answer = b"0f05" if packet == "m10,2" else b"E14"
        for part in (b"+$", answer, b"#%02x" % (sum(answer) % 256)):
            self._connection.sendall(part)


@pytest.fixture
def stepping():
    """Return a function that starts a stub with states, and what talks to it."""
    opened = []

    def start(*states: bytes) -> tuple[Debugger, Stub]:
        ours, theirs = socket.socketpair()
        stub = Stub(theirs, list(states))
        thread = threading.Thread(target=stub.serve, daemon=True)
        thread.start()
        opened.append((Debugger(ours), theirs))
        return opened[-1][0], stub

    yield start
    for debugger, theirs in opened:
        debugger.close()
        theirs.close()


def test_a_step_is_where_the_cpu_is_then(stepping):
    debugger, _ = stepping(registers(Stop(1, 9)), registers(Stop(0xFFFFFFFF81000000, 8)))
    assert debugger.place() == Stop(1, 9)
    assert debugger.step() == Stop(0xFFFFFFFF81000000, 8)


def test_a_step_that_executes_nothing_does_not_count(stepping):
    first, second = registers(Stop(1, 9)), registers(Stop(2, 9))
    debugger, stub = stepping(first, first, first, second)
    assert debugger.step() == Stop(2, 9)
    assert stub.heard.count("vCont;s") == 3


def test_each_pass_of_a_repeated_instruction_counts(stepping):
    states = [registers(Stop(1, 9), count) for count in (3, 2, 1)]
    debugger, _ = stepping(*states, registers(Stop(2, 9)))
    assert [debugger.step() for _ in range(3)] == [Stop(1, 9), Stop(1, 9), Stop(2, 9)]


def test_a_guest_that_waits_is_said(stepping):
    debugger, _ = stepping(registers(Stop(1, 9)))
    with pytest.raises(FailedError, match="100 steps of the guest executed nothing"):
        debugger.step()


def test_the_breakpoint_goes_when_it_was_reached(stepping):
    debugger, stub = stepping(registers(Stop(1, 9)))
    debugger.run_to(0xABC)
    assert stub.heard == ["Z0,abc,1", "vCont;c", "z0,abc,1"]


def test_memory_that_cannot_be_read_is_empty(stepping):
    debugger, _ = stepping(registers(Stop(1, 9)))
    assert debugger.read(0x10, 2) == b"\x0f\x05"
    assert debugger.read(0x20, 2) == b""


def test_a_stop_that_does_not_come_is_one_line(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.01)
    ours, theirs = socket.socketpair()
    with theirs, Debugger(ours) as debugger, pytest.raises(FailedError, match="did not stop"):
        debugger.place()


def test_a_qemu_that_ended_is_one_line():
    ours, theirs = socket.socketpair()
    theirs.close()
    with Debugger(ours) as debugger, pytest.raises(FailedError, match="debugger interface"):
        debugger.place()
