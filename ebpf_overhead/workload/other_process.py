"""A process that makes timed calls on request, and ends with this one."""

from __future__ import annotations

import random
import signal
import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.calling_threads import CallingThreads

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_END_S = 5.0
_PAUSE_S = 1e-4


class OtherProcess(Closing):
    """A fork of this process; as a context manager, it ends the fork.

    The fork holds what this process had open.  It ends with this process, for whatever reason,
    because the pipe between them closes.

    Attributes
    ----------
    pid : int
        Its id, which is also the id of its first thread.
    """

    def __init__(self) -> None:
        import multiprocessing  # Here: most commands need none, and it is slow to import.

        # A fork, because a new interpreter takes seconds in a guest.
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def run(
        self,
        workload: str,
        calls: int,
        windows: int = 1,
        cpu: int | None = None,
        counter: int | None = None,
        in_turns: bool = False,
    ) -> tuple[list[int], int]:
        """Time windows of calls there, as :func:`ebpf_overhead.workload._workload.run` does here.

        With any counter, the process opens its own, because a counter counts one thread.  The
        first thread of the process makes the calls; with ``in_turns``, the next thread in a
        random order.

        Raises
        ------
        OSError
            A system call failed there.
        FailedError
            The process has ended.
        """
        try:
            self._pipe.send((workload, calls, windows, cpu, counter is not None, in_turns))
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise FailedError(
                f"the process that calls {workload} ended: exit status {self._process.exitcode}"
            ) from error
        self._wait_until_it_waits()
        if isinstance(answer, Exception):
            raise answer
        elapsed: tuple[list[int], int] = answer
        return elapsed

    def _wait_until_it_waits(self) -> None:
        """Wait until it sleeps in the system call that waits for the next request.

        It may be preempted between two programs at the start of a system call (system call
        tracepoints can be preempted since Linux 6.13).  Then one program would have counted the
        call, and the other not yet.
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
    parents.close()  # otherwise the pipe never closes for this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            workload, calls, windows, cpu, counted, in_turns = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            counter = _own_counter() if counted else None
            run = partial(_workload.run, workload, calls, windows, cpu, counter)
            answer: object = _threads().turn()(run) if in_turns else run()
        except Exception as error:  # the parent raises it
            answer = error
        pipe.send(answer)


@cache
def _own_counter() -> int:
    return perf_event.instructions()


@cache
def _threads() -> CallingThreads:
    return CallingThreads(random.Random())
