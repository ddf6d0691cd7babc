"""What ends by itself, and what is complete or absent: contexts, child processes, files."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

_PR_SET_PDEATHSIG = 1  # prctl(2)
_Self = TypeVar("_Self", bound="Closing")


class Closing(ABC):
    """Closed when its block ends, by an exception or a signal's, too."""

    @abstractmethod
    def close(self) -> None:
        """Give back all that it holds."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Afterwards(Closing):
    """Runs a shell command when it is closed, or when this process ends, in whatever way.

    The shell waits for the end of a pipe.  It is out of reach of a terminal's signals, and of what
    kills this process's group.

    Parameters
    ----------
    command : str
        For ``sh``; it finds the arguments in ``$1`` and so on, and in ``$told`` what it was told.
    *arguments : str
        What the command is about.
    """

    def __init__(self, command: str, *arguments: str) -> None:
        waits = "trap '' HUP INT TERM; told=; while read -r line; do told=$line; done"
        words = ["/bin/sh", "-c", f"{waits}; {command}", "sh", *arguments]
        self._shell = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def tell(self, line: str) -> None:
        """Have the command find this in ``$told``, in place of what it was told before."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{line}\n".encode())
        self._shell.stdin.flush()

    def close(self) -> None:
        """Have the command run, and wait for its end; does nothing the second time."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()


@contextmanager
def scratch_directory(parent: Path | None = None) -> Iterator[Path]:
    """Make a directory that is removed after the block, and when this process is killed.

    Parameters
    ----------
    parent : Path, optional
        Where to make it; among the temporary files by default.
    """
    name = f"ebpf-overhead-{secrets.token_hex(8)}"
    path = (parent or Path(tempfile.gettempdir())).resolve() / name
    with Afterwards('exec rm -rf -- "$1"', str(path)):  # before there is anything to remove
        path.mkdir(mode=0o700)
        yield path


class DieWithParent:
    """Runs between fork and exec: asks the kernel to kill this process when its parent ends."""

    def __init__(self) -> None:
        # Looked up before the fork, after which little is safe to call.
        self._prctl = ctypes.CDLL(None).prctl
        self._parent = os.getpid()

    def __call__(self) -> None:
        """Ask for it; end at once where the parent has ended already."""
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:
            os._exit(1)


def write_atomically(path: Path, text: str) -> None:
    """Put a text in a file's place at once: whoever reads sees the old one or the new one.

    Raises
    ------
    OSError
        The directory cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
