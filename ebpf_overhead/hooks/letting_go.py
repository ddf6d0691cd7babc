"""Closing perf events of tracepoints without waiting until the kernel has cleaned up.

To close one takes up to 0.2 s.  The kernel removes the hook first, and then waits until no CPU can
still be in it: ``tracepoint_synchronize_unregister`` in ``perf_trace_event_unreg``
(kernel/trace/trace_event_perf.c).  That wait takes no CPU time, so calls may be measured meanwhile.
All such events are opened and closed under one lock of the kernel, ``event_mutex``, so the next one
is opened when the last one is gone.

Not so those of uprobes: the kernel waits, and only then takes the breakpoint away.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
from pathlib import Path
from queue import SimpleQueue

# To remove a hook takes less.  It takes longer where others hold the kernel's locks.
_REMOVED_S = 0.05
_POLL_S = 1e-4


class _Closing:
    """A descriptor that is being closed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.done = False


class _Closer:
    """A thread that closes descriptors, one after the other."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._work: SimpleQueue[_Closing] = SimpleQueue()
        self._last: _Closing | None = None
        self._stat: Path | None = None
        _thread.start_new_thread(self._serve, ())

    def close(self, fd: int) -> None:
        """Close a descriptor, and return when the kernel only cleans up."""
        self.finish()
        closing = _Closing(fd)
        self._work.put(closing)
        self._last = closing
        end = time.monotonic() + _REMOVED_S
        while not closing.done and not self._waits():
            if time.monotonic() > end:
                self.finish()
            time.sleep(_POLL_S)

    def finish(self) -> None:
        """Wait until the last descriptor is closed."""
        while self._last is not None and not self._last.done:
            time.sleep(_POLL_S)

    def _waits(self) -> bool:
        """Whether the thread sleeps in the kernel, where no signal would wake it."""
        if self._stat is None:
            return False
        return self._stat.read_text().rpartition(")")[2].split()[0] == "D"

    def _serve(self) -> None:
        self._stat = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
        while True:
            closing = self._work.get()
            try:
                os.close(closing.fd)
            finally:
                closing.done = True


_closer: _Closer | None = None


def let_go(fd: int) -> None:
    """Close a hook's descriptor, and return as soon as nothing runs it any more.

    Parameters
    ----------
    fd : int
        Perf event or link.
    """
    global _closer
    # A forked process does not inherit the thread.
    if _closer is None or _closer.owner != os.getpid():
        try:
            _closer = _Closer()
        except RuntimeError:  # no more threads are allowed
            os.close(fd)
            return
    _closer.close(fd)
