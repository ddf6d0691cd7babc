"""A connection to a guest: what Ctrl-C does to the command that runs there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpf_overhead.guest import session as guest_session
from ebpf_overhead.guest import waiting, wire
from ebpf_overhead.guest.session import Session
from ebpf_overhead.guest.waiting import ConnectionLostError

PATIENT_S = 60.0  # never waited for: an answer ends the waiting


class Agent(threading.Thread):
    """Answers as the guest's agent does; Ctrl-C comes as soon as a command runs."""

    def __init__(self, path: Path, answers: bool) -> None:
        super().__init__(daemon=True)
        self.answers = answers
        self.heard: list[str] = []
        self.pongs = 0  # before the command ends
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()

    def run(self) -> None:
        connection, _ = self._listener.accept()
        lines = wire.Lines()
        while data := connection.recv(65536):
            for message in lines.feed(data):
                self.heard.append(message["op"])
                for answer in self._answers(message):
                    connection.sendall(wire.encode(answer))
        self._listener.close()

    def _answers(self, message: wire.Message) -> Iterator[wire.Message]:
        if message["op"] == "hello":
            yield {"event": "hello", "session": message["session"]}
        elif message["op"] == "run" and message["argv"] == ["measure"]:
            yield {"event": "Ctrl-C"}
        elif message["op"] == "ping" and self.answers:
            self.pongs -= 1
            yield {"event": "pong"} if self.pongs >= 0 else {"event": "exit", "status": 0}
        elif message["op"] == "interrupt" and self.answers:
            yield {"event": "output", "stream": 1, "data": wire.pack(b"two rows\n")}
            yield {"event": "exit", "status": 130}


@pytest.fixture
def agent(tmp_path, request, monkeypatch):
    agent = Agent(tmp_path / "port", request.param)
    agent.start()
    with Session(tmp_path / "port") as session:
        receive = session.receive

        def received(deadline_s=None):
            event = receive(deadline_s)
            if event["event"] == "Ctrl-C":  # as the signal's handler does
                raise KeyboardInterrupt
            return event

        monkeypatch.setattr(session, "receive", received)
        yield agent, session
    agent.join(timeout=60)


@pytest.mark.parametrize("agent", [True], indirect=True)
def test_command_in_the_guest_is_interrupted_and_its_last_words_are_kept(agent):
    heard, session = agent
    done = session.run(["measure"], last_words_s=PATIENT_S)
    assert (done.exit_status, done.stdout) == (130, "two rows\n")
    assert heard.heard == ["hello", "run", "interrupt"]


@pytest.mark.parametrize("agent", [False], indirect=True)
def test_command_that_has_no_last_words_is_not_waited_for(agent):
    _, session = agent
    with pytest.raises(KeyboardInterrupt):
        session.run(["measure"], last_words_s=0.05)


@pytest.mark.parametrize("agent", [True], indirect=True)
def test_without_last_words_ctrl_c_ends_it_at_once(agent):
    heard, session = agent
    with pytest.raises(KeyboardInterrupt):
        session.run(["measure"])
    assert "interrupt" not in heard.heard


@pytest.mark.parametrize("agent", [True, False], indirect=True)
def test_a_guest_that_says_nothing_is_asked_whether_it_lives(agent, monkeypatch):
    """One that answers is asked again and again, until its command ends."""
    heard, session = agent
    heard.pongs = 3 if heard.answers else 0
    monkeypatch.setattr(waiting, "SILENT_S", 0.01)
    monkeypatch.setattr(waiting, "GRACE_S", PATIENT_S if heard.answers else 0.01)
    if heard.answers:
        assert session.run(["sleep"]).exit_status == 0
    else:
        with pytest.raises(waiting.ConnectionLostError, match="did not give a sign of life"):
            session.run(["sleep"])
    assert heard.heard == ["hello", "run", *["ping"] * (4 if heard.answers else 1)]


class Reluctant:
    """A socket that takes nothing at first."""

    def __init__(self, connection: socket.socket, refusals: list[OSError]) -> None:
        self._connection, self._refusals = connection, refusals

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def sendall(self, data: bytes) -> None:
        if self._refusals:
            raise self._refusals.pop()
        self._connection.sendall(data)


@pytest.fixture
def refusals(monkeypatch):
    refusals: list[OSError] = []
    connect = Session._connect
    monkeypatch.setattr(
        Session, "_connect", lambda self, *place: Reluctant(connect(self, *place), refusals)
    )
    monkeypatch.setattr(guest_session, "_HELLO_AGAIN_S", 0.01)
    return refusals


def test_a_guest_that_takes_no_greeting_yet_is_waited_for(tmp_path, refusals):
    refusals += [TimeoutError(), TimeoutError()]
    Agent(tmp_path / "port", answers=True).start()
    with Session(tmp_path / "port", PATIENT_S) as session:
        assert session.facts["event"] == "hello"
    assert not refusals


def test_qemu_that_ends_during_the_greeting_is_a_lost_connection(tmp_path, refusals):
    refusals.append(BrokenPipeError(32, "Broken pipe"))
    Agent(tmp_path / "port", answers=True).start()
    with pytest.raises(ConnectionLostError, match="Broken pipe"):
        Session(tmp_path / "port", PATIENT_S)
