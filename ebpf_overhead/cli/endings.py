"""The one place that turns whatever ends a command into one line and an exit status."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

import click

from ebpf_overhead.errors import ExitStatus, OverheadError, Terminated, short_reason

PROGRAM = "ebpf-overhead"
# Set to anything but the empty string, it shows where an unexpected error came from.
DEBUG_VARIABLE = "EBPF_OVERHEAD_DEBUG"

# They end a command as Ctrl-C does; a terminal that is closed sends the second one.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal: leave through every ``finally``, as after Ctrl-C."""
    raise Terminated(number)


@contextmanager
def handling_signals() -> Iterator[None]:
    """Let signals end the block as Ctrl-C does; one that ``nohup`` ignores stays ignored."""
    here = threading.current_thread() is threading.main_thread()
    taken = [each for each in _ENDING_SIGNALS if here and signal.getsignal(each) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def open_standard_streams() -> None:
    """Give standard streams that are closed a descriptor, so that no file takes their place.

    Else the next file that is opened becomes standard output, and whatever a library prints
    goes into it.  Standard output can only be read then: to write a result to it still fails.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            # It gets the lowest free number, which is this one.
            os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A name in another encoding than the terminal's is shown escaped.
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def run(command: Callable[[], object]) -> int:
    """Run a command to its end, whatever that is, and return the exit status.

    What it has written is written out before the line that says what failed.

    Parameters
    ----------
    command : callable
        Returns an exit status, or anything else where it was measured.
    """
    try:
        try:
            done = command()
            sys.stdout.flush()
        except BaseException:
            with suppress(OSError):
                sys.stdout.flush()
            raise
    except BaseException as error:
        line, status = ending(error)
        if os.environ.get(DEBUG_VARIABLE):
            _say("".join(traceback.format_exception(error)).rstrip())
        if line:
            _say(line)
        if isinstance(error, OSError):
            discard(sys.stdout)
        return status
    return done if isinstance(done, int) else ExitStatus.MEASURED


def ending(error: BaseException) -> tuple[str, int]:
    """Return the line for an exception, without a line end, and the exit status.

    The line is empty where nothing is to be said: the reader of the output went away.
    """
    if isinstance(error, SystemExit):
        return ("", error.code) if isinstance(error.code, int) else (str(error.code or ""), 0)
    if isinstance(error, click.exceptions.Exit):
        return "", error.exit_code
    if isinstance(error, BrokenPipeError) and reader_gone(sys.stdout):
        return "", ExitStatus.MEASURED
    name, text, status = _explain(error)
    return f"{name}: {' '.join(text.split())}", status


def _explain(error: BaseException) -> tuple[str, str, int]:
    """Return the name of the command that failed, what is to be said, and the exit status."""
    if isinstance(error, OverheadError):
        return PROGRAM, str(error), error.exit_status
    if isinstance(error, click.UsageError):
        name = error.ctx.command_path if error.ctx else PROGRAM
        text = error.format_message().rstrip(".")
        hint = "" if text.endswith("?") else f"; see {name} --help"
        return name, text + hint, error.exit_code
    if isinstance(error, click.ClickException):
        return PROGRAM, error.format_message(), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        status = error.exit_status if isinstance(error, Terminated) else ExitStatus.INTERRUPTED
        return PROGRAM, f"{short_reason(error)}; nothing is left attached", status
    if isinstance(error, click.Abort | EOFError):
        return PROGRAM, "interrupted; nothing is left attached", ExitStatus.INTERRUPTED
    if isinstance(error, FileNotFoundError) and error.filename is None and not has_directory():
        return PROGRAM, NO_DIRECTORY, ExitStatus.BAD_USE
    return PROGRAM, _machine_error(error), ExitStatus.NOT_FINISHED


def _machine_error(error: BaseException) -> str:
    if isinstance(error, OSError):
        return _system_error(error)
    if isinstance(error, MemoryError):
        return "out of memory; free some, or ask for fewer cases or smaller maps"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply; check the file it comes from"
    if isinstance(error, UnicodeError):
        return f"text is not valid: {error}; check the encoding of the file or the terminal"
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    return (
        f"unexpected {type(error).__name__}: {error}{place};"
        f" please report it, with what {DEBUG_VARIABLE}=1 shows"
    )


NO_DIRECTORY = "the current directory does not exist any more; change to another one"
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)
_REMEDIES: Mapping[int, Callable[[], str]] = {
    errno.ENOSPC: lambda: "free some space, or choose another place",
    errno.EDQUOT: lambda: "free some space, or choose another place",
    errno.EROFS: lambda: "choose a place that can be written to",
    errno.EACCES: lambda: "choose a place that this user may use",
    errno.EMFILE: lambda: (
        f"only {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} may be open: ulimit -n 1024"
    ),
    errno.ENFILE: lambda: "the whole machine has too many files open",
    errno.ENOMEM: lambda: "free some memory",
    errno.EBADF: lambda: "give -o FILE, or do not close standard output",
}


def _system_error(error: OSError) -> str:
    what = f"{error.filename}: " if error.filename is not None else ""
    if not what and error.errno in _OF_WRITING:
        what = "output cannot be written: "
    text = error.strerror or str(error) or type(error).__name__
    if error.errno and text != os.strerror(error.errno):  # it names the call, then
        text = f"{text}: {os.strerror(error.errno)}"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{what}{text}" + (f"; {remedy()}" if remedy else "")


def has_directory() -> bool:
    """Whether the current directory still exists."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def reader_gone(stream: TextIO) -> bool:
    """Whether a stream is a pipe whose reader went away."""
    try:
        fd = stream.fileno()
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(fd, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def discard(stream: TextIO) -> None:
    """Drop what could not be written, so that the interpreter does not try it again."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _say(line: str) -> None:
    with suppress(OSError, ValueError):
        click.echo(line, err=True)


@contextmanager
def ignoring_gone_reader() -> Iterator[None]:
    """Write in this block; that the reader of standard output went away is no error."""
    try:
        yield
    except BrokenPipeError:
        if not reader_gone(sys.stdout):
            raise
        discard(sys.stdout)
