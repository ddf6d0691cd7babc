"""One measurement at a time on a machine: two at once slow each other down unnoticed.

The lock is a flock(2) on a directory of sysfs.  It is there on every Linux, belongs to root, and
every user may open it, but nobody can replace or remove it.  The kernel drops the lock with the
process that holds it, and ``/proc/locks`` says which one that is.  A network namespace has a sysfs
of its own, so a container sees the lock of the others only where it shares the host's network.

In a guest there is no lock: it has one caller, and what it counts does not depend on the host.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.bpf.privileges import effective_capabilities, suffices
from ebpf_overhead.errors import ExitStatus, OverheadError
from ebpf_overhead.phases import process_age_s
from ebpf_overhead.printable import shortened
from ebpf_overhead.workload import clock

# Another place for the lock; empty for none.
VARIABLE = "EBPF_OVERHEAD_LOCK"
_PLACE = "/sys/kernel"
_POLL_S = 0.2

# What shows somebody whom this process waits for; called with a line.
Waiting = Callable[[], AbstractContextManager[Callable[[str], None]]]


class BusyError(OverheadError):
    """Something else measures on this machine now."""

    exit_status = ExitStatus.NOT_FINISHED


@dataclass(frozen=True)
class LockHolder:
    """The process that holds the lock.

    Attributes
    ----------
    pid : int or None
        Its id; None where it cannot be seen from here.
    """

    pid: int | None

    def __str__(self) -> str:
        name = f"process {self.pid}"
        try:
            began = time.localtime(time.time() - process_age_s(self._place))
            lines = (self._place / "status").read_text(errors="replace").splitlines()
            user = next(line.split()[1] for line in lines if line.startswith("Uid:"))
            command = shortened(" ".join(" ".join(self._words()).split()))
        except (OSError, StopIteration):
            return "a process that cannot be seen from here" if self.pid is None else name
        with suppress(KeyError):
            user = pwd.getpwuid(int(user)).pw_name
        since = time.strftime("%Y-%m-%d %H:%M:%S", began)
        return f"{command} ({name} of {user}, since {since})"

    def _words(self) -> list[str]:
        """Return its command as it was typed, without the interpreter and the way to a program."""
        words = (self._place / "cmdline").read_bytes().decode(errors="replace").split("\0")
        while len(words) > 1 and Path(words[0]).name.startswith("python"):
            del words[0]
        return [Path(words[0]).name, *words[1:-1]]

    def may_measure(self) -> bool:
        """Whether it has the privileges to measure; without, it only keeps others from it."""
        try:
            held = effective_capabilities(self._place / "status")
            own, other = (Path(f"/proc/{pid}/uid_map").read_text() for pid in ("self", self.pid))
        except OSError:
            return True
        return suffices(held) and own == other

    @property
    def _place(self) -> Path:
        return Path(f"/proc/{self.pid}")


class _Lock:
    """The lock of this process."""

    def __init__(self) -> None:
        self.waiting: Waiting | None = None
        self._depth = 0
        self._fd: int | None = None
        # A child that outlives this process does not keep the lock.
        os.register_at_fork(after_in_child=self._drop)

    def take(self) -> None:
        if not self._depth:
            self._fd = self._locked()
        self._depth += 1

    def give(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._drop()

    def _drop(self) -> None:
        fd, self._fd, self._depth = self._fd, None, 0
        if fd is not None:
            os.close(fd)

    def _locked(self) -> int | None:
        """Return the descriptor that holds the lock; None where there is none to be had."""
        place = os.environ.get(VARIABLE, _PLACE)
        if not place or clock.VARIABLE in os.environ:
            return None
        fd = None
        try:
            fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            self._acquire(fd)
        except OSError as error:
            _note(
                f"{place} cannot be locked ({error.strerror}): nothing keeps others from measuring"
            )
        except BaseException:
            if fd is not None:
                os.close(fd)
            raise
        return fd

    def _acquire(self, fd: int) -> None:
        with ExitStack() as stack:
            show: Callable[[str], None] | None = None
            said = ""
            while not _try(fd):
                holder = _holder(fd)
                if not holder.may_measure():
                    _note(f"{holder} holds the lock of this machine without being able to measure")
                    return
                if self.waiting is None:
                    raise BusyError(
                        f"another measurement runs on this machine: {holder}",
                        "wait for it with --wait, or end it",
                    )
                show = show or stack.enter_context(self.waiting())
                if said != (line := f"Waiting for {holder}"):
                    show(line)
                    said = line
                time.sleep(_POLL_S)


_lock = _Lock()


@contextmanager
def held() -> Iterator[None]:
    """Be the only one who measures on this machine while the block runs, or a block around it.

    Where the lock cannot be had, a line on standard error says so.

    Raises
    ------
    BusyError
        Something else measures now, and this process does not wait.
    """
    _lock.take()
    try:
        yield
    finally:
        _lock.give()


@contextmanager
def waiting(show: Waiting = lambda: nullcontext(_note)) -> Iterator[None]:
    """Wait for others, instead of raising BusyError, while the block runs.

    Parameters
    ----------
    show : callable, optional
        Returns a context manager that is entered while waiting.
    """
    before, _lock.waiting = _lock.waiting, show
    try:
        yield
    finally:
        _lock.waiting = before


def hold_until_end() -> None:
    """Wait for others, and then be the only one who measures until this process ends."""
    with waiting():
        _lock.take()


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> LockHolder:
    """Return who holds the lock, from ``/proc/locks`` (proc(5))."""
    status = os.fstat(fd)
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        lines = []
    found = (int(line[4]) for line in lines if line[1] == "FLOCK" and line[5] == file)
    return LockHolder(next(found, None))


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
