"""A tool, or several, from start to end; `minder` does both, in a process of its own."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError
from ebpf_overhead.tools.impact import minder
from ebpf_overhead.tools.impact.output import BoundedOutput

# Longer than the minder takes for a tool that obeys nothing but SIGKILL, or a slow service.
_PATIENCE_S = 80.0


@dataclass(frozen=True)
class ToolLaunch:
    """How a tool is started and stopped.

    Attributes
    ----------
    start : tuple of str
        Its command; or one that has a service manager start it, and ends.
    stop : tuple of str
        A command that has it stopped; empty where it is ended as a process.
    beside : tuple of (tuple of str)
        Commands of other tools that are started and ended with it.
    home : str or None
        Directory of the cgroup that it is started in; None for this process's.
    """

    start: tuple[str, ...]
    stop: tuple[str, ...] = ()
    beside: tuple[tuple[str, ...], ...] = ()
    home: str | None = None

    @property
    def starts(self) -> tuple[tuple[str, ...], ...]:
        """The commands that are started."""
        return (self.start, *self.beside)

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, with a plus between two."""
        first, *others = self.starts
        return (*first, *(word for other in others for word in ("+", *other)))

    @property
    def is_service(self) -> bool:
        """Whether the tool's processes are somebody else's."""
        return bool(self.stop)

    @property
    def name(self) -> str:
        """What it is called for people: the command as a shell would take it."""
        return shlex.join(self.words)

    def __str__(self) -> str:
        return self.name


class StartedTool(Closing):
    """A tool that runs; closing it ends the tool.

    Parameters
    ----------
    launch : ToolLaunch
        How it is started and stopped.

    Attributes
    ----------
    output : BoundedOutput
        What it, or the commands that start and stop it, have written.
    status : int or None
        Exit status of the command that started it, once that has ended; negative for a signal.
    cpu_s : float
        CPU time of all its processes, known when it is closed.
    left : list of int
        Processes that could not be ended, known when it is closed.
    not_stopped : str or None
        How the command that stops a service failed, if it did, known when it is closed.
    """

    def __init__(self, launch: ToolLaunch) -> None:
        self.launch = launch
        self.output = BoundedOutput()
        self.status: int | None = None
        self.cpu_s = 0.0
        self.left: list[int] = []
        self.not_stopped: str | None = None
        self._error: str | None = None
        self._text = b""
        self._minder: subprocess.Popen[bytes] | None = None
        # File objects, because closing one twice does no harm: Ctrl-C may come in between.
        held, holding = os.pipe()
        self._hold = open(holding, "wb", buffering=0)  # noqa: SIM115
        hearing, telling = os.pipe()
        self._told = open(hearing, "rb", buffering=0)  # noqa: SIM115
        try:
            try:
                self._minder = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", minder.__file__, str(telling)),
                        json.dumps([launch.starts, launch.stop, launch.home]),
                    ],
                    stdin=held,
                    stdout=self.output.fd,
                    stderr=self.output.fd,
                    pass_fds=(telling,),
                    start_new_session=True,  # out of reach of the terminal's Ctrl-C
                )
            finally:
                os.close(held)
                os.close(telling)
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Take in what has become of it.

        Raises
        ------
        FailedError
            It cannot be started.
        """
        self._take_news(0.0)
        if self._error is not None:
            raise FailedError(
                f"{' or '.join(each[0] for each in self.launch.starts)} cannot be started:"
                f" {self._error}",
                "check the command; no shell reads it",
            )

    def processes(self) -> set[int]:
        """Return its processes; none for a service, which is somebody else's."""
        if self._minder is None or self.launch.is_service:
            return set()
        return minder.descendants(self._minder.pid)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more, as far as `look` knows."""
        return not self.launch.is_service and self.status is not None and not self.processes()

    def why(self, what: str, remedy: str) -> FailedError:
        """Return an error about it, with the last lines that it wrote."""
        lines = self.output.last_lines()
        if not lines:
            return FailedError(f"{what}; it wrote nothing", remedy)
        return FailedError(f"{what}; its last lines: {' | '.join(lines)}", remedy)

    def how_it_ended(self) -> str:
        """Return ``status 1``, or by which signal."""
        return _how(self.status or 0)

    def stop(self) -> None:
        """End it, and wait until it has ended; what it wrote can still be read."""
        self._hold.close()
        deadline_s = time.monotonic() + _PATIENCE_S
        while not self._told.closed and time.monotonic() < deadline_s:
            self._take_news(1.0)
        if self._minder is not None and self._told.closed:
            self._minder.wait()

    def close(self) -> None:
        """End it; may be called again."""
        self.stop()
        self.output.close()

    def _take_news(self, timeout_s: float) -> None:
        """Read what the minder tells; the descriptor is closed when that has ended."""
        while not self._told.closed and select.select([self._told], [], [], timeout_s)[0]:
            news = os.read(self._told.fileno(), 4096)
            *lines, self._text = (self._text + news).split(b"\n")
            for line in lines:
                found = json.loads(line)
                self.status = found.get("status", self.status)
                self._error = found.get("error", self._error)
                self.cpu_s = found.get("cpu_s", self.cpu_s)
                self.left = found.get("left", self.left)
                self._take_stop(found.get("stop_error"), found.get("stop_status"))
            if not news:
                self._told.close()
            timeout_s = 0.0

    def _take_stop(self, error: str | None, status: int | None) -> None:
        if error is not None:
            self.not_stopped = f"cannot be started: {error}"
        elif status:
            self.not_stopped = f"ended with {_how(status)}"


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
