"""A command of the user's: one run of it, what it took and what it printed."""

from __future__ import annotations

import math
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from resource import struct_rusage
from typing import NamedTuple

from ebpf_overhead.closing import Afterwards
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.printable import shortened
from ebpf_overhead.workload.affinity import on_cpus
from ebpf_overhead.workload.orphans import Orphans
from ebpf_overhead.workload.victim import cpu_time_ns

# What is kept of the output, from its end: a number is looked for in it.
_KEPT_BYTES = 1 << 20
_READ_BYTES = 1 << 16
# What a pipe may hold when the command ends, in reads.
_LAST_READS = 32
_LAST_WORDS = 200


class CommandRun(NamedTuple):
    """What one run took.

    Attributes
    ----------
    elapsed_ns : int
        From its start to its end.
    cpu_ns : int
        CPU time of the command and of all that it started.
    victim_ns : int or None
        CPU time of the other processes meanwhile; None without any.
    metric : float or None
        The number that it printed; None where none was asked for.
    """

    elapsed_ns: int
    cpu_ns: int
    victim_ns: int | None = None
    metric: float | None = None


@dataclass(frozen=True)
class UserCommand:
    """A command; it is started without a shell.

    Attributes
    ----------
    arguments : tuple of str
        The program and its arguments.
    metric : str or None
        Regular expression for a number that it prints: the last match counts, by its first
        group if it has one.
    victims : tuple of int
        Processes that work for it.
    cpu : int or None
        The CPU that it runs on; None for all that this process may use.
    outlived_by : Afterwards or None
        Who ends a run where this process is killed: see `ending_runs`.
    """

    arguments: tuple[str, ...]
    metric: str | None = None
    victims: tuple[int, ...] = ()
    cpu: int | None = None
    outlived_by: Afterwards | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        line: str,
        metric: str | None = None,
        victims: tuple[int, ...] = (),
        cpu: int | None = None,
    ) -> UserCommand:
        """Return the command of a line, whose words are quoted as for a shell.

        Raises
        ------
        BadUseError
            The line has no words, or a quotation without end; or the expression is none; or this
            process is a victim.
        """
        try:
            words = tuple(shlex.split(line))
            re.compile(metric or "")
        except (ValueError, re.error) as error:
            given = repr(line) if metric is None else f"{line!r} with --metric {metric!r}"
            raise BadUseError(f"the command {given} is not understood: {error}") from error
        if not words:
            raise BadUseError("the command has no words", "name a program and its arguments")
        if os.getpid() in victims:
            raise BadUseError(f"process {os.getpid()} is this one", "name a server: --victim")
        return cls(words, metric, tuple(dict.fromkeys(victims)), cpu)

    def __str__(self) -> str:
        return shlex.join(self.arguments)

    @contextmanager
    def ending_runs(self) -> Iterator[UserCommand]:
        """Yield a command whose runs end with this process, however that ends."""
        with Afterwards('test -z "$told" || kill -s KILL -- "-$told"') as outlived_by:
            yield replace(self, outlived_by=outlived_by)

    def run(self) -> CommandRun:
        """Run it once, to its end; nothing that it started is left.

        Raises
        ------
        BadUseError
            There is no such program.
        FailedError
            It failed, left processes running, did not print the number, or a victim ended.
        """
        before = self._victims_ns()
        with Orphans() as orphans:
            with nullcontext() if self.cpu is None else on_cpus({self.cpu}):
                start_ns = time.monotonic_ns()
                child = self._started()
            with self._ended(child):
                end_ns, usage, output = _wait(child)
            self._check(child.returncode, output, orphans.left())
        after = self._victims_ns()
        return CommandRun(
            end_ns - start_ns,
            round((usage.ru_utime + usage.ru_stime) * 1e9) + orphans.cpu_ns,
            after - before if self.victims else None,
            None if self.metric is None else self._number(output),
        )

    def _check(self, status: int, output: bytes, left: list[str]) -> None:
        """Raise if a run failed, or is not over although the command has ended."""
        if status != 0:
            raise FailedError(
                f"the command {self} {_how_it_ended(status)}{_last_words(output)}",
                "it must succeed each time that it is run",
            )
        if left:
            raise FailedError(
                f"the command {self} ended while what it had started still ran: {', '.join(left)}",
                "have it wait for them; a server is started before, and named by --victim",
            )

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            # A session of its own: all of it is ended at once.
            return subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise BadUseError(
                f"the command {self} cannot be run: {what}",
                "name a program and its arguments; there is no shell",
            ) from error

    @contextmanager
    def _ended(self, child: subprocess.Popen[bytes]) -> Iterator[None]:
        """End a run, and its session, if something ends the block before it."""
        try:
            self._tell(str(child.pid))
            yield
        except BaseException:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            raise
        finally:
            self._tell("")
            assert child.stdout is not None
            child.stdout.close()

    def _tell(self, group: str) -> None:
        if self.outlived_by is not None:
            self.outlived_by.tell(group)

    def _victims_ns(self) -> int:
        return sum(map(cpu_time_ns, self.victims))

    def _number(self, output: bytes) -> float:
        every = re.finditer(self.metric or "", output.decode(errors="replace"))
        last = next(iter(deque(every, 1)), None)
        text = "" if last is None else last[1 if last.re.groups else 0] or ""
        number = math.nan
        with suppress(ValueError):
            number = float(text.replace(",", ""))
        if not math.isfinite(number):
            what = f"{text!r}, which is no number" if text else "nothing"
            raise FailedError(
                f"the command {self} printed {what} for {self.metric!r}{_last_words(output)}",
                "the first group of --metric is the number",
            )
        return number


def _wait(child: subprocess.Popen[bytes]) -> tuple[int, struct_rusage, bytes]:
    """Return when a command ended, what it used, and what it printed last."""
    assert child.stdout is not None
    pipe, output = child.stdout.fileno(), bytearray()
    ended = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(ended, select.POLLIN)
        while ended not in (ready := dict(poll.poll())):
            if pipe in ready and not _keep(output, pipe):
                poll.unregister(pipe)
        end_ns = time.monotonic_ns()
    finally:
        os.close(ended)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    os.set_blocking(pipe, False)  # what it started may go on, and print
    with suppress(BlockingIOError):
        for _ in range(_LAST_READS):
            if not _keep(output, pipe):
                break
    return end_ns, usage, bytes(output)


def _keep(output: bytearray, pipe: int) -> bool:
    """Read once more, and keep the end of what was printed; return whether there was any."""
    read = os.read(pipe, _READ_BYTES)
    output += read
    del output[:-_KEPT_BYTES]
    return bool(read)


def _how_it_ended(status: int) -> str:
    if status > 0:
        return f"ended with status {status}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"


def _last_words(output: bytes) -> str:
    """Return the last line that it printed, as it stands behind a message."""
    lines = output.decode(errors="replace").strip().splitlines()
    return f": {shortened(lines[-1].strip(), _LAST_WORDS)}" if lines else ""
