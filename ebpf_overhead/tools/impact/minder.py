"""Starts a tool, and ends it when told to, or when whoever told it is gone.

`starting` runs this as a script of its own, so that nothing but the standard library is imported.
Standard input is a pipe: that it ends means "stop".  It also ends with the process that holds the
other end, by SIGKILL, too.  So a tool is always ended in one and the same way.

All processes that the tool starts are descendants of this one, also those that leave their parent
(PR_SET_CHILD_SUBREAPER, prctl(2)).  They are sent SIGINT, as Ctrl-C would, then SIGTERM, then
SIGKILL.  Should this process be killed itself, the kernel kills the tool's first process
(PR_SET_PDEATHSIG), unless that gained privileges by exec.

What becomes of it is written to a descriptor, a line of JSON for each piece of news.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# What ends the tool, and how many seconds it has for it.  bpftrace takes no notice of a SIGINT that
# comes while it attaches.
_ENDING = (
    (signal.SIGINT, 2.0),
    (signal.SIGINT, 3.0),
    (signal.SIGTERM, 2.0),
    (signal.SIGKILL, 2.0),
)
# How long a service may take to stop.
_STOPPING_S = 60.0
_POLL_S = 0.01


def main(
    told: int, starts: Sequence[Sequence[str]], stop: Sequence[str], home: str | None = None
) -> None:
    """Start a tool, or several, wait for the end of standard input, and end them.

    Parameters
    ----------
    told : int
        Descriptor for the news.
    starts : sequence of (sequence of str)
        The tools' commands; where there is ``stop``, one that starts a service and ends.
    stop : sequence of str
        A command that stops that service; empty where the tools are ended as processes.
    home : str, optional
        Directory of the cgroup for the tools; by default they are where this process was started.
    """

    def tell(**news: Any) -> None:
        with suppress(OSError):  # nobody is left to be told
            os.write(told, json.dumps(news).encode() + b"\n")

    # Only the end of the input ends this process.  Handlers are reset by exec, SIG_IGN is not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    ended, ringing = os.pipe()
    os.set_blocking(ringing, False)
    signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if not stop:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if home is not None and (error := _move(home)) is not None:
        tell(error=error)
        return
    first = {_start(start, dying_with_this=not stop, tell=tell) for start in starts}
    running = set(first)
    while None not in first and not _told_to_stop(ended):
        for pid, status in reaped():
            if pid in running:
                running.remove(pid)
                if status or not running:
                    tell(status=status)
    left = _stop(stop, tell) if stop and None not in first else end_descendants(_ENDING)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell(cpu_s=used.ru_utime + used.ru_stime, left=sorted(left))


def _move(home: str) -> str | None:
    """Move this process to a cgroup; return why it cannot, if so."""
    try:
        with open(f"{home}/cgroup.procs", "w", encoding="ascii") as stream:
            stream.write("0")
    except OSError as error:
        return f"{home}: {error.strerror}"
    return None


def _start(words: Sequence[str], dying_with_this: bool, tell: Any) -> int | None:
    """Start a command; return its process, or None where it cannot be started."""
    prctl = ctypes.CDLL(None).prctl

    def before_exec() -> None:
        if dying_with_this:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=before_exec
        )
    except (OSError, ValueError) as error:
        tell(error=getattr(error, "strerror", None) or str(error))
        return None
    process.returncode = 0  # it is reaped with all others
    tell(pid=process.pid)
    return process.pid


def _stop(words: Sequence[str], tell: Any) -> set[int]:
    """Have a service stopped, and tell how the command for it ended; return what is left of it."""
    news: dict[str, Any] = {}
    statuses: dict[int, int] = {}
    stopping = _start(words, dying_with_this=False, tell=news.update)
    left = end_descendants(((None, _STOPPING_S), *_ENDING), statuses)
    tell(stop_error=news.get("error"), stop_status=statuses.get(stopping or 0))
    return left


def _told_to_stop(ended: int) -> bool:
    """Wait for news; return whether they are the end of standard input."""
    ready, _, _ = select.select([0, ended], [], [])
    if ended in ready:
        os.read(ended, 4096)
    return 0 in ready and not os.read(0, 4096)


def reaped() -> list[tuple[int, int]]:
    """Return the children that have ended: process and exit status, as `subprocess` has it."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))


def end_descendants(
    ending: Sequence[tuple[int | None, float]], statuses: dict[int, int] | None = None
) -> set[int]:
    """End all descendants of this process; return those that are left.

    Parameters
    ----------
    ending : sequence of (int or None, float)
        Signals in their order, None for none, with the seconds that each gives to end.
    statuses : dict of int to int, optional
        Where to note the exit status of each child that ends.
    """
    statuses = {} if statuses is None else statuses
    left: set[int] = set()
    for number, patience_s in ending:
        deadline_s = time.monotonic() + patience_s
        asked: set[int] = set()
        while True:
            statuses.update(reaped())
            left = descendants(os.getpid())
            if not left or time.monotonic() > deadline_s:
                break
            for pid in left - asked if number is not None else ():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number or 0)
            asked |= left
            time.sleep(_POLL_S)
        if not left:
            break
    statuses.update(reaped())  # those that ended between the two looks
    return left


def descendants(root: int) -> set[int]:
    """Return the processes that descend from one and have not ended."""
    children: dict[int, list[int]] = {}
    ended = set()
    for name in os.listdir("/proc"):  # noqa: PTH208 - plain strings: there are thousands
        if name.isdigit():
            with suppress(OSError):  # gone meanwhile
                with open(f"/proc/{name}/stat", "rb") as stream:
                    state, parent = stream.read().rpartition(b")")[2].split()[:2]
                children.setdefault(int(parent), []).append(int(name))
                if state in b"ZX":
                    ended.add(int(name))
    found: set[int] = set()
    todo = [root]
    while todo:
        new = children.get(todo.pop(), [])
        found.update(new)
        todo += new
    return found - ended


if __name__ == "__main__":
    main(int(sys.argv[1]), *json.loads(sys.argv[2]))
