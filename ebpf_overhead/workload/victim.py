"""Another process that works for a command: the CPU time that it takes."""

from __future__ import annotations

import os
import select
import time

from ebpf_overhead.errors import FailedError

_CPUCLOCK_SCHED = 2  # include/linux/posix-timers.h


def cpu_time_ns(process: int) -> int:
    """Return the CPU time of another process, in all its threads, those that ended included.

    By its CPU clock, whose number is made of that of the process: ``MAKE_PROCESS_CPUCLOCK`` of
    ``include/linux/posix-timers_types.h``.
    """
    remedy = "name a process that runs all the time: --victim"
    try:
        used_ns = time.clock_gettime_ns(~process << 3 | _CPUCLOCK_SCHED)
        ended = os.pidfd_open(process)
    except OSError as error:
        raise FailedError(
            f"the CPU time of process {process} cannot be read: {error.strerror}", remedy
        ) from error
    try:
        # The clock of one that only waits to be reaped can still be read, and stands.
        if select.select([ended], [], [], 0)[0]:
            raise FailedError(f"process {process} has ended", remedy)
    finally:
        os.close(ended)
    return used_ns
