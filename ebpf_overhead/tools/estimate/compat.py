"""System calls of 32-bit programs: they have other numbers and entries, and few hooks see them."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import SYSCALL
from ebpf_overhead.hooks.attach_types import ALL_CALLS
from ebpf_overhead.hooks.hook import Site, attach
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.tracers import compiled_tracer
from ebpf_overhead.tools.tracers.filters import Filters

# SCMP_ARCH_X86 of seccomp.h.
_I386 = 0x40000003

Counts = Callable[[], dict[Place, int]]


def compat_number(syscall: str) -> int | None:
    """Return the number of a system call for 32-bit programs on x86_64.

    Returns
    -------
    int or None
        None where there is none, or libseccomp, which knows the numbers, is absent.
    """
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    number = library.seccomp_syscall_resolve_name_arch(_I386, syscall.encode())
    return number if number >= 0 else None


@contextmanager
def compat_calls(places: list[Place], filters: Filters) -> Iterator[Counts]:
    """Count the calls of 32-bit programs while the block runs.

    Yields
    ------
    callable
        Returns the number of calls so far for each place that is a system call; for none
        where they cannot be counted.
    """
    numbers = {place: compat_number(place.name) for place in places if place.kind == SYSCALL}
    known = {place: number for place, number in numbers.items() if number is not None}
    if not known or platform.machine() != "x86_64":
        yield dict
        return
    try:
        compiled = compiled_tracer("compat", ["count_compat"], filters.constants())
        site = Site(ALL_CALLS, AttachPoint("sys_enter"))
        hook = attach(site, partial(compiled.load, function="count_compat"))
    except OverheadError:
        yield dict
        return

    def read() -> dict[Place, int]:
        counted = compiled.maps.fds["compat_calls"]
        return {
            place: int(np.frombuffer(maps.lookup(counted, number), np.uint64).sum())
            for place, number in known.items()
        }

    with hook:
        yield read
