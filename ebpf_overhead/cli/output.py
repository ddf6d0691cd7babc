"""Where the result of a command goes: opened before measuring, written whatever ends it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

import click
from rich.console import Console

from ebpf_overhead.cli.endings import (
    NO_DIRECTORY,
    has_directory,
    ignoring_gone_reader,
)
from ebpf_overhead.cli.files import open_for_writing, remove, require_writable_stdout
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.report.console import console_on
from ebpf_overhead.report.gathering import Gathering, exit_status

if TYPE_CHECKING:  # it comes with what measures
    from ebpf_overhead.report.record import Record

_FORMATS: Mapping[str, Callable[[Record], str]] = {
    "json": lambda record: json.dumps(record, indent=1) + "\n"
}

_Shown = TypeVar("_Shown")


class Output(Closing, Gathering):
    """Where a result goes, and in which format; a context manager, entered before measuring.

    Parameters
    ----------
    format_name : str
        One of the formats that the command knows.
    path : Path or None
        File to write; None for standard output.

    Attributes
    ----------
    format_name : str
        As above.
    """

    def __init__(self, format_name: str, path: Path | None = None) -> None:
        super().__init__()
        self.format_name = format_name
        self._path = None if path is None or str(path) == "-" else path
        self._file: TextIO | None = None
        self._made = self._written = False

    @property
    def is_picture(self) -> bool:
        """Whether the name of the file is that of a picture, which no result is."""
        return self._path is not None and self._path.suffix in (".svg", ".png", ".pdf")

    @property
    def on_terminal(self) -> bool:
        """Whether somebody sees it as it is written."""
        return self._path is None and sys.stdout.isatty()

    @property
    def _name(self) -> str:
        return "standard output" if self._path is None else str(self._path)

    def __enter__(self) -> Output:
        if not has_directory():
            raise BadUseError(*NO_DIRECTORY.split("; "))
        if self._path is None:
            require_writable_stdout()
        else:
            fd, self._made = open_for_writing(self._path)
            self._file = open(fd, "w", encoding="utf-8")
        return self

    def close(self) -> None:
        """Close the file; remove it where nothing was written to it."""
        if self._file is not None:
            with suppress(OSError):  # reported when it was written
                self._file.close()
            if self._made and not self._written:
                remove(self._path)

    def finish(
        self,
        record: Record,
        show: Callable[[Record, Console], None],
        formats: Mapping[str, Callable[[Record], str]] = _FORMATS,
        status: Callable[[Record], ExitStatus] | None = None,
    ) -> NoReturn:
        """Write a record and end the command; see `deliver` and `end`.

        Parameters
        ----------
        status : callable, optional
            Makes the exit status of a record; by default :func:`exit_status`.
        """
        self.deliver(record, show, formats)
        self.end((status or exit_status)(record))

    def deliver(
        self,
        record: Record,
        show: Callable[[Record, Console], None],
        formats: Mapping[str, Callable[[Record], str]] = _FORMATS,
    ) -> None:
        """Write a record.

        Parameters
        ----------
        record : dict
            What was measured.
        show : callable
            Shows it to people, where the format is not one of ``formats``.
        formats : mapping of str to callable
            Makes the text of a record in a format.
        """
        record = self.marked(record)
        if self.cut_short is None and record.get("cut_short"):  # in a guest
            self.cut_short = KeyboardInterrupt()
        with ignoring_gone_reader():
            self.show(record, show, formats)

    def show(
        self,
        what: _Shown,
        show: Callable[[_Shown, Console], None],
        formats: Mapping[str, Callable[[_Shown], str]],
    ) -> None:
        """Write anything: in a format, or by ``show`` where the format is not one of these.

        Raises
        ------
        OSError
            It could not be written where it belongs; it is on another stream, if there is one.
        """

        def write(stream: TextIO) -> None:
            if self.format_name in formats:
                stream.write(formats[self.format_name](what))
            else:
                show(what, console_on(stream))

        self._write(write)

    def text(self, text: str) -> None:
        """Write text as it is."""
        self._write(lambda stream: print(text, end="", file=stream))

    def end(self, status: ExitStatus) -> NoReturn:
        """End the command.

        Raises
        ------
        click.exceptions.Exit
            With the exit status.
        BaseException
            What ended measuring before all rows were there.
        """
        if self.cut_short is not None:
            raise self.cut_short
        raise click.exceptions.Exit(int(status))

    def _write(self, write: Callable[[TextIO], None]) -> None:
        """Let a function write; where that fails, once more to the next stream that is left."""
        stream = self._file or sys.stdout
        try:
            if self._file is not None and not self._written:
                with suppress(OSError):  # a pipe or a device has no length
                    self._file.truncate(0)
            write(stream)
            stream.flush()
            self._written = True
        except OSError as error:
            if isinstance(error, BrokenPipeError) and stream is sys.stdout:
                raise
            _rescue(write, (sys.stdout, sys.stderr)[self._file is None :])
            raise OSError(error.errno, error.strerror, self._name) from error


def _rescue(write: Callable[[TextIO], None], streams: Sequence[TextIO]) -> None:
    for stream in streams:
        with suppress(OSError, ValueError):
            write(stream)
            stream.flush()
            return
