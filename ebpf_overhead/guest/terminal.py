"""A terminal of the host connected to one in a guest."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ebpf_overhead.guest import wire
from ebpf_overhead.guest.session import Session

_READ_BYTES = 1 << 12


def interact(session: Session, argv: Sequence[str], cwd: str = "/") -> int:
    """Run a command in a terminal of the guest, connected to this process's own.

    Parameters
    ----------
    session : Session
        The guest's.
    argv : sequence of str
        The command.
    cwd : str, optional
        Its working directory.

    Returns
    -------
    int
        Its exit status, negative when a signal ended it.

    Raises
    ------
    ConnectionLostError
        When the guest is gone.
    """
    env = {"TERM": os.environ.get("TERM", "dumb")}
    size = os.get_terminal_size() if sys.stdout.isatty() else os.terminal_size((80, 24))
    session.start(argv, cwd=cwd, env=env, terminal=(size.lines, size.columns))
    with _raw(), _resizing(session):
        return _relay(session)


def _relay(session: Session) -> int:
    listening = [sys.stdin.fileno()]
    while True:
        # A message may have been received together with the one before.
        ready = [] if session.pending else select.select([session, *listening], [], [])[0]
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), _READ_BYTES)
            # The end of the input is what Ctrl-D says in a terminal.
            session.type(data or b"\x04")
            if not data:
                listening = []
        if session in ready or session.pending:
            event = session.receive()
            if event["event"] == "output":
                sys.stdout.buffer.write(wire.unpack(event["data"]))
                sys.stdout.buffer.flush()
            elif event["event"] == "exit":
                return int(event["status"])


@contextmanager
def _raw() -> Iterator[None]:
    # Every key goes to the guest, Ctrl-C too.
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def _resizing(session: Session) -> Iterator[None]:
    def follow(*_: object) -> None:
        size = os.get_terminal_size()
        session.resize(size.lines, size.columns)

    if not sys.stdout.isatty():
        yield
        return
    before = signal.signal(signal.SIGWINCH, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
