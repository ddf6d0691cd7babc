"""Samples of perf: a program runs when an event has been counted so often.

An event is of one CPU, so there is one for each.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import Workload

_HELD_MAX = 253  # SCM_MAX_FD of include/net/scm.h


def page_faults(workload: Workload) -> Iterator[AttachPoint]:
    """Yield perf's software event of page faults, each of which is a sample."""
    yield AttachPoint("page-faults")


def open_samples(program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
    """Attach a program to an event of each CPU, and return what keeps all of them open."""
    with ExitStack() as opened:
        events = []
        for cpu in sorted(os.sched_getaffinity(0)):
            events.append(perf_event.attach(perf_event.page_fault(cpu), program.fd))
            opened.callback(os.close, events[-1])
        return _held(events)


def _held(fds: list[int]) -> int:
    """Return one descriptor that keeps open what others are of: they are sent to it."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        for start in range(0, len(fds), _HELD_MAX):
            socket.send_fds(sender, [b"."], fds[start : start + _HELD_MAX])
        return receiver.detach()
