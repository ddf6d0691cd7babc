"""Processes that a command has started and not waited for.

While somebody looks they become children of this process (PR_SET_CHILD_SUBREAPER, prctl(2)),
whatever session they are in.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ebpf_overhead.closing import Closing

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
# What ends with the command ends as soon as it: the last process of a pipeline, for one.
_PATIENCE_S = 0.2
_POLL_S = 0.001
_Self = TypeVar("_Self", bound="Orphans")


class Orphans(Closing):
    """Looks for orphans of what is started in the block, and ends them after it.

    They are found by ``/proc/self/task/*/children``, which needs a kernel with
    ``CONFIG_PROC_CHILDREN``, as distributions have it.

    Attributes
    ----------
    cpu_ns : int
        CPU time of those that have ended.
    """

    def __init__(self) -> None:
        self.cpu_ns = 0
        self._others: set[int] = set()

    def __enter__(self: _Self) -> _Self:
        self._others = _children()
        _adopt(True)
        return self

    def left(self) -> list[str]:
        """Wait a moment for them to end, and return the names of those that still run."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while running := self._running():
            if time.monotonic() > deadline_s:
                return sorted(map(_name, running))
            time.sleep(_POLL_S)
        return []

    def close(self) -> None:
        """End them, and theirs, which become children of this process in turn."""
        while running := self._running():
            for process in running:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(_POLL_S)
        _adopt(False)

    def _running(self) -> set[int]:
        """Reap those that have ended, and return the others."""
        return {process for process in _children() - self._others if not self._reaped(process)}

    def _reaped(self, process: int) -> bool:
        ended, _, usage = os.wait4(process, os.WNOHANG)
        self.cpu_ns += round((usage.ru_utime + usage.ru_stime) * 1e9)
        return ended != 0


def _adopt(orphans: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def _children() -> set[int]:
    """Return the children of this process, those that only wait to be reaped included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended
            found.update(map(int, (task / "children").read_text("ascii").split()))
    return found


def _name(process: int) -> str:
    with suppress(OSError):
        return f"{Path(f'/proc/{process}/comm').read_text(errors='replace').strip()} ({process})"
    return str(process)
