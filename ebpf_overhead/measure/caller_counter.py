"""The program that tells whose calls they are: the caller counter.

A hook that serves every process runs the program for other callers too.  The caller counter is
attached beside it, and counts the calls of this thread and of everybody else.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.bpf import _syscalls, maps
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import MissingToolError, OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ALL_CALLS, ALL_CALLS_PERF
from ebpf_overhead.hooks.hook import Hook, Site
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.bcc_compile import Source
from ebpf_overhead.programs.program_maps import make_maps
from ebpf_overhead.programs.program_object import ProgramObject
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import Workload

_NAME = "caller_counter"


class Counters(NamedTuple):
    """What the caller counter saw; the order is that of ``enum counter`` in ``caller_counter.c``.

    The workload's are its system calls, all of them where a call makes several, except in
    ``foreign_target``: there it is those that a hook of one system call serves.
    """

    own_target: int
    own_other: int
    foreign_target: int
    foreign_other: int

    def foreign(self, system_wide: bool) -> int:
        """Return the runs of others that a hook of this kind serves."""
        return self.foreign_target + (self.foreign_other if system_wide else 0)


class CallerCounter:
    """The program that tells who calls, attached to a tracepoint of all system calls.

    Parameters
    ----------
    workload : Workload
        System call whose callers are distinguished.
    at_exit : bool
        Watch the ends of system calls instead of their beginnings: a call that began
        before the count may end in it.
    whole_process : bool
        Take the calls of all threads of this process for own, not only the calling thread's.
    thread : int, optional
        Take this thread's calls for own, of whatever process, instead of the calling one's.
    """

    def __init__(
        self,
        workload: Workload,
        at_exit: bool = False,
        whole_process: bool = False,
        thread: int | None = None,
    ) -> None:
        compiled = compiled_counter()
        namespace = Path("/proc/self/ns/pid").stat()
        self._subject_fd = compiled.maps.fds["subject"]
        own = {getattr(_syscalls, f"NR_{name}") for name in workload.times}
        self._subject = struct.pack(
            "=5Q16s9Q",
            namespace.st_dev,
            namespace.st_ino,
            os.getpid() if whole_process else thread or threading.get_native_id(),
            whole_process,
            getattr(_syscalls, f"NR_{workload.syscall}"),
            _workload.TASK_NAME.encode(),
            *(sum(1 << number % 64 for number in own if number // 64 == word) for word in range(8)),
            _syscalls.NR_rt_sigreturn in own,
        )
        # The raw tracepoint has no number of the call at its end; perf's has it in the same place.
        site = (
            Site(ALL_CALLS_PERF, AttachPoint("raw_syscalls:sys_exit"))
            if at_exit
            else Site(ALL_CALLS, AttachPoint("sys_enter"))
        )
        self._hook = Hook(site, compiled.load)
        self._counters = mmap.mmap(
            compiled.maps.fds["counted_callers"],
            mmap.PAGESIZE,
            flags=mmap.MAP_SHARED,
            prot=mmap.PROT_READ,
        )
        self._compiled = compiled  # owns the maps

    def read(self) -> Counters:
        """Return the counters, without a system call."""
        return Counters(*struct.unpack_from("=4Q", self._counters, 0))

    def skipped(self) -> int:
        """Return how many calls it could not count: it ran on that CPU already."""
        return self._hook.program.info().recursion_misses or 0

    @contextmanager
    def attached(self) -> Iterator[CallerCounter]:
        """Count while the block runs."""
        # Caller counters of several workloads share the map: the last one opened would hold.
        maps.put(self._subject_fd, 0, self._subject)
        self._hook.attach()
        try:
            yield self
        finally:
            self._hook.detach()

    def close(self) -> None:
        """Unload the program."""
        self._counters.close()
        self._hook.close()


def open_caller_counter(
    workload: Workload,
    at_exit: bool = False,
    whole_process: bool = False,
    thread: int | None = None,
) -> CallerCounter | None:
    """Return a caller counter; None where the kernel cannot have one.

    By default it takes this thread's calls for own.  A function of this process needs none.
    """
    if workload.syscall is None:
        return None
    try:
        return CallerCounter(workload, at_exit, whole_process, thread)
    except OverheadError:
        return None


class CallerCounters(Closing):
    """Caller counters of this thread, each opened when it is first needed."""

    def __init__(self) -> None:
        self._opened: dict[tuple[Workload, bool], CallerCounter | None] = {}

    def of(self, workload: Workload, at_exit: bool) -> CallerCounter | None:
        """Return the one of a workload; see `open_caller_counter`."""
        wanted = workload, at_exit
        if wanted not in self._opened:
            self._opened[wanted] = open_caller_counter(workload, at_exit)
        return self._opened[wanted]

    def close(self) -> None:
        """Unload all of them."""
        for each in self._opened.values():
            if each is not None:
                each.close()
        self._opened.clear()


@cache
def compiled_counter() -> programs.CompiledProgram:
    """Return the caller counter, compiled once per process; where there is no BCC, as shipped."""
    path = programs.source_path(_NAME)
    try:
        return programs.with_maps(_NAME, Source(path))
    except MissingToolError:
        made = ProgramObject.of_json(path.with_suffix(".json").read_text())
        return programs.CompiledProgram(_NAME, made, make_maps(made, {}))


def shipped(made: ProgramObject) -> str:
    """Return the text of the file that ships the caller counter for machines without BCC."""
    maps = tuple(replace(each, btf_key=0, btf_value=0) for each in made.maps)
    # Types are for people, and the compiler writes the place of the source among them.
    text = replace(made, made_from={}, btf=b"", maps=maps).to_json()
    return json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
