"""On which CPUs the calling thread runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager


@contextmanager
def on_cpus(cpus: Set[int]) -> Iterator[None]:
    """Keep this thread, and what it starts, on some CPUs while the block runs.

    Parameters
    ----------
    cpus : set of int
        The CPUs.

    Raises
    ------
    OSError
        None of them is available.
    """
    earlier = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, earlier)
