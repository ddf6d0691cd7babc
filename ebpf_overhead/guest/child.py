"""Starting a command inside the guest, as a process of its own session."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ebpf_overhead.guest import forked

# As a shell has them: the command cannot be run, or is not there.
_CANNOT_RUN = 126
_NOT_FOUND = 127

_DESCRIPTORS = 1024
# Descriptors that forked commands inherit; see keep_descriptors.
_preloaded: set[int] = set()


@dataclass(frozen=True)
class Command:
    """What to run.

    Parameters
    ----------
    argv : sequence of str
        The program and its arguments.
    cwd : str
        Working directory.
    env : mapping
        Added to the guest's environment.
    terminal : tuple of int, optional
        Rows and columns of the terminal to run it in; None for pipes.
    """

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    terminal: tuple[int, int] | None = None


@dataclass(frozen=True)
class Child:
    """A command that runs.

    Parameters
    ----------
    pid : int
        Its process, which leads a session.
    outputs : dict
        File descriptors to read, with the stream each belongs to (1 or 2).
    terminal : int or None
        The descriptor to write input to, which is also its output.
    """

    pid: int
    outputs: dict[int, int]
    terminal: int | None = None


def start(command: Command, python_names: Sequence[str]) -> Child:
    """Start a command.

    Parameters
    ----------
    command : Command
        What to run; its standard input is empty unless it has a terminal.
    python_names : sequence of str
        Names of this interpreter; a command beginning with one is forked from it.

    Returns
    -------
    Child
        Commands that cannot be run exit with 126 or 127 and say why on their output.
    """
    if command.terminal is not None:
        return _start_in_terminal(command, python_names)
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDONLY)
        _become(command, python_names, (null, out_write, error_write))
    os.close(out_write)
    os.close(error_write)
    return Child(pid, {out_read: 1, error_read: 2})


def _start_in_terminal(command: Command, python_names: Sequence[str]) -> Child:
    ours, theirs = os.openpty()
    assert command.terminal is not None
    resize(ours, *command.terminal)
    os.set_blocking(ours, False)  # A program that reads no input must not stop the agent.
    pid = os.fork()
    if pid == 0:
        _become(command, python_names, (theirs, theirs, theirs), controlling=True)
    os.close(theirs)
    return Child(pid, {ours: 1}, ours)


def resize(terminal: int, rows: int, columns: int) -> None:
    """Tell a terminal its size."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _become(
    command: Command,
    python_names: Sequence[str],
    descriptors: tuple[int, int, int],
    controlling: bool = False,
) -> NoReturn:
    # In the forked process, which must never return into the agent.
    status = _CANNOT_RUN
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if controlling:
            fcntl.ioctl(descriptors[0], termios.TIOCSCTTY, 0)
        for wanted, descriptor in enumerate(descriptors):
            os.dup2(descriptor, wanted)
        # The agent's ports and pipes: a program must not hold them open.
        _close_others()
        os.environ.update(command.env)
        status = _run(command, python_names)
    except BaseException as error:
        _complain(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def keep_descriptors() -> None:
    """Let commands inherit what is open now: what was preloaded may live by descriptors."""
    _preloaded.update(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208


def _close_others() -> None:
    # In ranges: a thousand single calls took half a second in an emulated guest.
    first = 3
    for kept in sorted(_preloaded | {_DESCRIPTORS}):
        if kept >= first:
            os.closerange(first, kept)
            first = kept + 1


def _run(command: Command, python_names: Sequence[str]) -> int:
    try:
        os.chdir(command.cwd)
    except OSError as error:
        _complain(f"cannot enter {command.cwd}: {error.strerror}")
        return _CANNOT_RUN
    if command.argv[0] in python_names:
        invocation = forked.parse(command.argv)
        if invocation is not None:
            return forked.run(invocation)
    # Python ignores SIGPIPE, other programs expect to die of it.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command.argv[0], list(command.argv))
    except OSError as error:
        _complain(f"cannot run {command.argv[0]}: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN


def _complain(message: str) -> None:
    os.write(2, f"guest: {message}\n".encode(errors="replace"))
    sys.stderr = None  # It is the agent's, with its buffer.
