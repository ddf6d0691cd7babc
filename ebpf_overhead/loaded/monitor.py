"""Watching all loaded programs: the kernel's statistics on, read, and off again."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

from ebpf_overhead import bpf
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.loaded.dispatch import DispatchCosts, on_system_calls
from ebpf_overhead.loaded.inventory import Details, Inventory
from ebpf_overhead.loaded.objects import programs
from ebpf_overhead.loaded.usage import Picture, Reading, kind_of, picture
from ebpf_overhead.tracers.waiting import Watch


class Statistics(Closing):
    """The kernel's run statistics, on while a block runs.

    They are held by a descriptor, so they are off again whatever ends this process.
    """

    def __init__(self) -> None:
        try:
            self._fd = bpf.enable_stats()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            if error.errno == errno.EPERM:
                raise RefusedError(
                    f"switching the kernel's run statistics on needs CAP_SYS_ADMIN: {name}",
                    "run as root, outside of a container",
                ) from error
            raise UnsupportedError(
                f"kernel {os.uname().release} has no run statistics to switch on: {name}",
                "use Linux 5.8 or newer",
            ) from error

    def close(self) -> None:
        """Switch them off."""
        os.close(self._fd)

    def read(self) -> Reading:
        """Read the counters of all programs."""
        return Reading(time.monotonic(), time.process_time(), programs())


def watch_programs(costs: DispatchCosts, watch: Watch, interval_s: float) -> Iterator[Picture]:
    """Yield what the loaded programs take, every ``interval_s`` and at the end.

    What the statistics leave out of a new kind of hook is looked up, or measured with the
    statistics off, when a program at one is first seen.

    Parameters
    ----------
    costs : DispatchCosts
        What the statistics leave out.
    watch : Watch
        What ends it; not entered yet, so that Ctrl-C ends measuring what is not known.
    interval_s : float
        Seconds between pictures.

    Raises
    ------
    RefusedError
        Rights are missing.
    UnsupportedError
        The kernel does not list programs, or has no statistics.
    """
    inventory, cpus = Inventory(), os.cpu_count() or 1
    _learn(costs, inventory.details(programs()))
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
                    yield picture(before, after, details, costs, cpus)
                    before = after
                    if costs.unknown(kind_of(each.attachments) for each in details.values()):
                        break
                else:
                    return
            _learn(costs, details)


def _learn(costs: DispatchCosts, details: dict[int, Details]) -> None:
    kinds = costs.unknown(kind_of(each.attachments) for each in details.values())
    traced = any(on_system_calls(hook) for each in details.values() for hook in each.attachments)
    if kinds:
        costs.learn(kinds, traced)
