"""Watching all loaded programs with the kernel's run statistics."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import replace

from ebpf_overhead.bpf import syscall
from ebpf_overhead.bpf.objects import programs
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.tools.top.callers import CallerCounts
from ebpf_overhead.tools.top.dispatch import DispatchCosts
from ebpf_overhead.tools.top.inventory import Inventory, ProgramDetails
from ebpf_overhead.tools.top.usage import Picture, Reading, kinds_of, picture
from ebpf_overhead.tools.tracers.waiting import Watch


class Statistics(Closing):
    """The kernel's run statistics, on while a block runs.

    A descriptor holds them, so they are off again whatever ends this process.
    """

    def __init__(self) -> None:
        try:
            self._fd = syscall.enable_stats()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            if error.errno == errno.EPERM:
                raise RefusedError(
                    f"switching on the kernel's run statistics needs CAP_SYS_ADMIN: {name}",
                    "run as root, outside of a container",
                ) from error
            raise UnsupportedError(
                f"kernel {os.uname().release} has no run statistics to switch on: {name}",
                "use Linux 5.8 or newer",
            ) from error

    def close(self) -> None:
        """Switch the statistics off."""
        os.close(self._fd)

    def read(self) -> Reading:
        """Read the counters of all programs."""
        return Reading(time.monotonic(), time.process_time(), programs())


def watch_programs(
    costs: DispatchCosts, watch: Watch, interval_s: float, callers: CallerCounts | None = None
) -> Iterator[Picture]:
    """Yield the cost of the loaded programs, every ``interval_s`` and at the end.

    When the first program of an attach type is seen, its dispatch is looked up, or measured with
    the statistics off.

    Parameters
    ----------
    costs : DispatchCosts
        Dispatch by attach type.
    watch : Watch
        What ends it.  It is not entered yet, so that Ctrl-C ends the measuring of dispatch.
    interval_s : float
        Seconds between pictures.
    callers : CallerCounts, optional
        Counts who runs the programs.

    Raises
    ------
    RefusedError
        Privileges are missing.
    UnsupportedError
        The kernel does not list programs, or has no run statistics.
    """
    inventory, cpus = Inventory(), os.cpu_count() or 1
    details = inventory.details(programs())
    _learn(costs, details)
    if callers is not None:
        callers.look(details)
    with watch:
        ticks = watch.ticks(interval_s)
        while True:
            with Statistics() as statistics:
                before = statistics.read()
                for _ in ticks:
                    shortest_s = 0.1 if watch.ended_by == "interrupt" else interval_s / 2
                    if time.monotonic() - before.at_s < shortest_s:
                        continue  # missed while dispatch was measured
                    after = statistics.read()
                    details = inventory.details(after.programs)
                    seen = picture(before, after, details, costs, cpus)
                    if callers is not None:
                        found = callers.look(details)
                        seen = replace(seen, callers=found, callers_not_counted=callers.doubts())
                    yield seen
                    before = after
                    if costs.unknown(kinds_of(details.values())):
                        break
                else:
                    return
            _learn(costs, details)


def _learn(costs: DispatchCosts, details: dict[int, ProgramDetails]) -> None:
    kinds = costs.unknown(kinds_of(details.values()))
    hooks = {hook for each in details.values() for hook in each.attachments}
    if kinds:
        costs.learn(kinds, hooks)
