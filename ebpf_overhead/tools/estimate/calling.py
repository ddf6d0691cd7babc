"""What those who pass an attach point do in between: they sleep, or they work."""

from __future__ import annotations

import re
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from ebpf_overhead.bpf import map_entries, maps
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.hook import attach
from ebpf_overhead.programs.loaded import load_code
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.tracers import compiled_tracer
from ebpf_overhead.tools.tracers.filters import Filters

# How long threads are looked for, and then watched.
_FIND_S, _WATCH_S = 0.3, 0.7
_WAITED = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


def callers_sleep(places: Iterable[Place], filters: Filters) -> bool:
    """Whether a thread sleeps between most passes of the places.

    It does if it gives the CPU away as often as it passes them, by proc_pid_status(5).

    Parameters
    ----------
    places : iterable of Place
        The attach points.
    filters : Filters
        Which passes count.

    Returns
    -------
    bool
        False also where it cannot be seen.
    """
    with ExitStack() as stack:
        compiled = compiled_tracer("threads", ["threads"], filters.constants())
        load = partial(load_code, compiled.code("threads"), "threads")
        for place in places:
            for site in place.counting_sites():
                with suppress(OverheadError):
                    stack.callback(attach(site, load).close)
                    break
        passed = compiled.maps.fds["passed"]
        time.sleep(_FIND_S)
        before = _passes(passed)
        waits_before = dict(_waits(before))
        time.sleep(_WATCH_S)
        return mostly_asleep(_passes(passed) - before, waits_before, dict(_waits(before)))


def mostly_asleep(
    passes: Counter[int], waits_before: dict[int, int], waits_after: dict[int, int]
) -> bool:
    """Whether there were as many waits as passes, in most cases.

    Parameters
    ----------
    passes : Counter
        Passes of each thread.
    waits_before, waits_after : dict of int to int
        How often each thread had waited; without those that came or went.
    """
    there = waits_before.keys() & waits_after.keys()
    waits = {thread: waits_after[thread] - waits_before[thread] for thread in there}
    seen = sum(passes[thread] for thread in there)
    asleep = sum(min(passes[thread], waits[thread]) for thread in there)
    return 2 * asleep > seen


def _passes(map_fd: int) -> Counter[int]:
    keys, values = map_entries.entries(map_fd, maps.dimensions(map_fd))
    counts = (count for (count,) in struct.iter_unpack("=Q", values))
    threads = (thread for (thread,) in struct.iter_unpack("=I", keys))
    return Counter(dict(zip(threads, counts, strict=True)))


def _waits(threads: Iterable[int]) -> Iterator[tuple[int, int]]:
    for thread in threads:
        with suppress(OSError):
            found = _WAITED.search(Path(f"/proc/{thread}/status").read_text(errors="replace"))
            if found is not None:
                yield thread, int(found[1])
