"""A process that makes timed calls when it is told to, and ends with this one."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ebpf_overhead import _workload, perf
from ebpf_overhead.calling_threads import CallingThreads
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError

_END_S = 5.0
_PAUSE_S = 1e-4


class OtherProcess(Closing):
    """Forked from this one; as a context manager it has ended on the way out.

    It holds what this process had open when it was forked.  It ends when this process does,
    however that comes about: the pipe between them closes.

    Attributes
    ----------
    pid : int
        Its id, which is its first thread's, too.
    """

    def __init__(self) -> None:
        # Forked, because a new interpreter takes seconds in a guest.
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def run(
        self,
        target: str,
        calls: int,
        windows: int = 1,
        cpu: int | None = None,
        counter: int | None = None,
        in_turns: bool = False,
    ) -> tuple[list[int], int]:
        """Time windows of calls there; as :func:`ebpf_overhead._workload.run` does here.

        A counter given means one of its own: a counter counts one thread.  The process's first
        thread makes the calls, or one drawn by lot from those that take turns.

        Raises
        ------
        OSError
            A system call failed there.
        FailedError
            The process has ended.
        """
        try:
            self._pipe.send((target, calls, windows, cpu, counter is not None, in_turns))
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise FailedError(
                f"the process that calls {target} ended: exit status {self._process.exitcode}"
            ) from error
        self._wait_until_it_waits()
        if isinstance(answer, Exception):
            raise answer
        elapsed: tuple[list[int], int] = answer
        return elapsed

    def _wait_until_it_waits(self) -> None:
        """Let it go to sleep in the system call that waits for the next request.

        Between two programs at the beginning of a system call it may lose the CPU (system
        call tracepoints can be preempted, Linux 6.13): one would have counted the call then,
        and not the other.
        """
        stat = Path(f"/proc/{self.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] == "R":
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(pipe: Connection[Any, Any], parents: Connection[Any, Any]) -> None:
    parents.close()  # or the pipe would never seem closed from here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            target, calls, windows, cpu, counted, in_turns = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            source = {"counter": _own_counter()} if counted else {}
            run = partial(_workload.run, target, calls, windows=windows, cpu=cpu, **source)
            answer: object = _threads().turn()(run) if in_turns else run()
        except Exception as error:  # for the parent to raise
            answer = error
        pipe.send(answer)


@cache
def _own_counter() -> int:
    return perf.instructions()


@cache
def _threads() -> CallingThreads:
    return CallingThreads(random.Random())
